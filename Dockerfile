# mmdet_vis in a container, for CPUs or with CUDA; docs/docker.md says how to use it.
#
#   docker build -t mmdet_vis .                                     # what pip brings: on x86-64 the build with CUDA
#   docker build -t mmdet_vis --build-arg TORCH_INDEX=ADDRESS .     # another build of PyTorch, e.g. for CPUs only
ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS build
# Address of an index with the wanted build of torch and torchvision, as PyTorch's get-started page shows it.
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# Before the sources: these are gigabytes, and do not change when the sources do. Both must come from one index.
RUN pip install "torch>=2.4" "torchvision>=0.19" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
WORKDIR /src
COPY . .
RUN pip install ".[web]"

FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="mmdet_vis" \
      org.opencontainers.image.description="Video instance segmentation with Propose-Reduce" \
      org.opencontainers.image.licenses="Apache-2.0"
# Not root. Any other user (docker run --user) will do as well: what is cached, by libraries too (torch,
# huggingface_hub), goes to a folder that all may write to, and so do results where no folder is given as /work.
RUN useradd --create-home --uid 1000 vis && mkdir -m 1777 /cache /work
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/cache \
    MPLCONFIGDIR=/cache/matplotlib
USER vis
WORKDIR /work
# The web page.
EXPOSE 7860
ENTRYPOINT ["mmdet-vis"]
CMD ["--help"]
