"""Uses what Azure ML gives to a script, in a run that sees the whole request."""
import json
import logging
import os

from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
from azureml.core.model import Model


def init():
    global model
    model = open(Model.get_model_path("labels.txt")).read().split()
    print("init has run")


@rawhttp
def run(request):
    print("printed in", request.method)
    logging.getLogger("author").warning("a warning of run")
    if request.args.get("do") == "raise":
        return failing()
    if request.args.get("do") == "refuse":
        return AMLResponse("no such digit", 404, {"x-reason": "a, b"})
    body = {
        "method": request.method,
        "path": request.path,
        "args": request.args.to_dict(),
        "header": request.headers.get("X-Kind"),
        "data": request.get_data().decode(),
        "labels": model,
        "config": os.environ["ANSWER_TTL"],
        "is_aml": isinstance(request, AMLRequest),
    }
    return AMLResponse(body, 201, {"x-labels": str(len(model))}, json_str=True)


def failing():
    raise KeyError("a key of the author")
