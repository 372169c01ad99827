"""A model and how it writes."""

from typing import Annotated, Literal

from msgspec import Meta

from workbench.settings.base import (
    Positive,
    PositiveFloat,
    Section,
    Seed,
    Share,
)


class ModelSettings(Section):
    name: Annotated[
        str, Meta(min_length=1, description="A starter, a hub id, a local folder or a GGUF file.")
    ] = "smollm2-135m-instruct"
    revision: Annotated[str, Meta(description="Branch, tag or commit of a hub id.")] = ""
    dtype: Annotated[
        Literal["auto", "bfloat16", "float16", "float32"],
        Meta(description="auto: bfloat16 where the processor is good at it, else float32."),
    ] = "auto"
    device: Annotated[str, Meta(description="auto, cpu, cuda, cuda:1, mps, xpu.")] = "auto"
    trust_remote_code: Annotated[
        bool, Meta(description="Run Python code that comes with this model and revision.")
    ] = False
    adapter: Annotated[
        str,
        Meta(
            description="Tuned weights: a run's name, or a folder that holds an adapter or a whole "
            "model tuned from this one; empty for none."
        ),
    ] = ""
    url: Annotated[
        str,
        Meta(
            description="An OpenAI-compatible server that answers: http://localhost:8000/v1, say; "
            "name is its name for the model. Empty: the model is loaded here."
        ),
    ] = ""
    api_key_env: Annotated[
        str,
        Meta(
            description="The environment variable that holds the server's key, such as "
            "OPENAI_API_KEY. Empty: none is sent, so that no session can send a key of yours to "
            "a server of its own."
        ),
    ] = ""
    concurrency: Annotated[
        int, Meta(ge=1, le=256, description="Requests to the server at the same time.")
    ] = 8
    timeout: Annotated[float, Meta(gt=0, description="Seconds to wait for the server.")] = 60.0
    max_retries: Annotated[
        int,
        Meta(ge=0, le=20, description="How often a request that the server refused is retried."),
    ] = 4


class GenerationSettings(Section):
    max_new_tokens: Annotated[
        Positive,
        Meta(description="Tokens of an answer at most; prompt and answer share the context."),
    ] = 128
    do_sample: Annotated[
        bool,
        Meta(description="Draw each token at random; false: the likeliest one, always the same."),
    ] = False
    temperature: Annotated[
        PositiveFloat, Meta(description="Of do_sample: below 1 likely tokens get likelier still.")
    ] = 0.7
    top_p: Annotated[
        Share, Meta(description="Of do_sample: draw among the likeliest that make up this share.")
    ] = 0.95
    top_k: Annotated[int, Meta(ge=0, description="0 keeps every token.")] = 50
    repetition_penalty: Annotated[
        PositiveFloat,
        Meta(description="Above 1 what was said gets less likely; 1: none; 1.1 is much already."),
    ] = 1.0
    seed: Seed = 0
    num_return_sequences: Annotated[
        int, Meta(ge=1, le=64, description="Answers to one prompt; each has a seed of its own.")
    ] = 1
    num_beams: Annotated[
        int,
        Meta(
            ge=1,
            le=32,
            description="Of T5, Marian and the like: so many beginnings of an answer are followed "
            "at once; 4 translates a little better than 1 and takes longer. Others write with 1.",
        ),
    ] = 1
    constraint: Annotated[
        Literal["none", "labels", "regex", "json_schema"],
        Meta(
            description="What an answer must be: one of evaluation.labels, a match of pattern, "
            "or JSON of json_schema."
        ),
    ] = "none"
    pattern: Annotated[str, Meta(description="A regular expression for the whole answer.")] = ""
    json_schema: Annotated[
        str, Meta(description="A JSON schema, or the name of a file that holds one.")
    ] = ""
