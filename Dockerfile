# nanocl on a CPU. Data and results are mounted:
#   docker build -t nanocl .
#   docker run --rm -v "$PWD/data:/data" -v "$PWD/results:/nanocl/results" nanocl run --stream split-digits
# The mounted folder of results must be writable for the user 1000.
FROM python:3.12-slim

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY nanocl nanocl
COPY benchmarks benchmarks
COPY baselines baselines
# first torch for CPUs, so that pip does not fetch the CUDA libraries
RUN pip install --no-cache-dir torch torchvision --index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir . \
    && rm -rf /source

RUN useradd --create-home --uid 1000 nanocl \
    && mkdir -p /nanocl/results /data \
    && chown -R nanocl /nanocl /data
USER nanocl
WORKDIR /nanocl
ENV NANOCL_DATA_ROOT=/data
ENTRYPOINT ["nanocl"]
CMD ["--help"]
