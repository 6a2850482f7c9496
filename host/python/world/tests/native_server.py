"""Plays a script on the retired server of Azure ML itself, in one process and without a socket.

Owns the process that `test_server.py` compares with. Needs `azureml-inference-server-http`. Reads
the plan of `play.py` from standard input, and writes a list of status, headers and body.
"""

import base64
import json
import os
import sys


def main():
    plan = json.load(sys.stdin)
    output, sys.stdout = sys.stdout, sys.stderr
    os.environ.update(plan["environment"])
    os.environ.update(
        AML_APP_ROOT=plan["code"], AZUREML_ENTRY_SCRIPT="score.py", AZUREML_MODEL_DIR=plan["model"]
    )
    os.chdir(plan["code"])
    sys.path[0] = plan["code"]
    from azureml_inference_server_http.server.entry import app

    client = app.test_client(use_cookies=False)
    answers = []
    for one in plan["calls"]:
        about = one["attributes"]
        answer = client.open(
            about["path"],
            method=about["method"],
            query_string=about["query"],
            headers=[tuple(pair) for pair in about["headers"]],
            content_type=about["content_type"],
            data=base64.b64decode(one["body"]),
        )
        answers.append(
            (answer.status_code, list(answer.headers.items()), base64.b64encode(answer.get_data()).decode())
        )
    json.dump(answers, output)
    output.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
