"""Azure ML's inference server as its command `azmlinfsrv` starts it, but on the loopback interface alone."""
from azureml_inference_server_http import amlserver

if __name__ == "__main__":
    amlserver.DEFAULT_HOST = "127.0.0.1"
    amlserver.run()
