# The two commands of the README in a container:
#   docker build --tag tcstudy . && docker run tcstudy             # make book
#   docker run tcstudy make test
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
WORKDIR /tcstudy
COPY requirements.lock requirements-dev.lock pyproject.toml setup.py README.md LICENSE Makefile ./
COPY tcstudy tcstudy
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN make dev TORCH_INDEX=$TORCH_INDEX
COPY . .
CMD ["make", "book"]
