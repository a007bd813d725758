"""A provider for Headgate: headgate.provider.v1.ProviderService around a model of your own.

    python provider.py [host:port]

HEADGATE_PROVIDER_KEY, where it is set, is the credential that Headgate has to bring (providers.NAME.api_key).
"""

import hmac
import os
import signal
import sys
from concurrent import futures
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "stubs"))

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

import parrot
from headgate.llm.v1 import embedding_pb2, usage_pb2
from headgate.provider.v1 import provider_pb2, provider_pb2_grpc

# The longest frame that Headgate sends or takes.
MAX_MESSAGE = 16 << 20


def fail(context, code, reason, message, **metadata):
    """Ends the call with an ErrorInfo, by which Headgate tells what may be answered elsewhere and what won't."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain="headgate", metadata=metadata)
    status = status_pb2.Status(code=code, message=message)
    status.details.add().Pack(info)
    context.abort_with_status(rpc_status.to_status(status))


class Provider(provider_pb2_grpc.ProviderServiceServicer):
    """One provider: what a built-in adapter does, as a service."""

    def StreamChat(self, request, context):
        self.check(request, context)
        for event in parrot.answer(request.prompt):
            if not context.is_active():
                return  # the caller is gone: Headgate cancels what nobody waits for
            yield provider_pb2.StreamChatResponse(event=event)

    def Chat(self, request, context):
        self.check(request, context)
        return provider_pb2.ChatResponse(completion=parrot.whole(parrot.answer(request.prompt)))

    def ListModels(self, request, context):
        return provider_pb2.ListModelsResponse(models=parrot.models())

    def CountTokens(self, request, context):
        self.check(request, context)
        return provider_pb2.CountTokensResponse(input_tokens=parrot.count(request.prompt))

    def Embed(self, request, context):
        texts = request.input.texts
        if not texts:
            fail(context, code_pb2.FAILED_PRECONDITION, "UNSUPPORTED", "input.token_lists: this model takes texts only", field="input.token_lists")
        vectors = [embedding_pb2.Embedding(index=i, values=parrot.vector(text)) for i, text in enumerate(texts)]
        words = sum(len(text.split()) for text in texts)
        return provider_pb2.EmbedResponse(embeddings=vectors, model=request.model, usage=usage_pb2.TokenUsage(input_tokens=words))

    def check(self, request, context):
        """Refuses what can't be answered, rather than answering something else."""
        if request.model != parrot.NAME:
            fail(context, code_pb2.NOT_FOUND, "MODEL_NOT_FOUND", f"there is no model {request.model!r} here; ask for {parrot.NAME!r}", field="model")
        for i, message in enumerate(request.prompt.messages):
            for j, part in enumerate(message.parts):
                if part.WhichOneof("kind") in ("blob", "uri", "file", "native"):
                    field = f"prompt.messages[{i}].parts[{j}]"
                    fail(context, code_pb2.FAILED_PRECONDITION, "UNSUPPORTED", f"{field}: this model takes text only", field=field)


class Key(grpc.ServerInterceptor):
    """Lets nobody in without the key."""

    def __init__(self, key):
        self.want = f"Bearer {key}"
        self.refused = grpc.unary_unary_rpc_method_handler(
            lambda request, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "the key is missing or wrong"))

    def intercept_service(self, continuation, details):
        got = dict(details.invocation_metadata).get("authorization", "")
        if hmac.compare_digest(got.encode(), self.want.encode()):
            return continuation(details)
        return self.refused


def serve(address):
    key = os.environ.get("HEADGATE_PROVIDER_KEY")
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=32),
        interceptors=[Key(key)] if key else [],
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)])
    provider_pb2_grpc.add_ProviderServiceServicer_to_server(Provider(), server)
    if server.add_insecure_port(address) == 0:
        sys.exit(f"can't listen on {address}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=10))
    print(f"serving {parrot.NAME} on {address}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    serve(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051")
