# The main job in a container, as any user, without a network, and with nothing writable but the mounted folder:
#   docker build -t mipdesign .
#   mkdir -p designs
#   docker run --rm --network none --read-only --user "$(id -u):$(id -g)" -v "$PWD/designs:/designs" mipdesign
# Any other command comes after the image's name: ... mipdesign mipdesign verify /designs/deepmad-r18

# No compiler is in the image: the package index brings one into the build's own environment, and it goes with that.
FROM python:3.11-slim AS build
WORKDIR /source
RUN python -m venv /opt/mipdesign
COPY pyproject.toml constraints.txt ./
COPY benchmarks benchmarks
COPY formulations formulations
COPY mipdesign mipdesign
RUN /opt/mipdesign/bin/pip install --no-cache-dir --constraint constraints.txt ".[plot,report]"

FROM python:3.11-slim
COPY --from=build /opt/mipdesign /opt/mipdesign
ENV PATH=/opt/mipdesign/bin:$PATH
RUN mkdir /designs && chown 1000:1000 /designs
USER 1000:1000
WORKDIR /
CMD ["mipdesign", "design", "deepmad-r18", "--out", "/designs/deepmad-r18"]
