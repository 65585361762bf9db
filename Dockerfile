FROM rust:1-bookworm AS build
# The commit that --version shows: docker build --build-arg SHOPSCORE_COMMIT=$(git rev-parse --short=12 HEAD) .
ARG SHOPSCORE_COMMIT=unknown
WORKDIR /build
COPY . .
# What was compiled before is kept from build to build.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/shopscore /usr/local/bin/shopscore

FROM debian:bookworm-slim
# Certificates of authorities, for TLS to PostgreSQL.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-create-home shopscore && install -d -o shopscore -g shopscore -m 0700 /run/shopscore
COPY --from=build /usr/local/bin/shopscore /usr/local/bin/shopscore
USER shopscore
ENTRYPOINT ["shopscore"]
CMD ["serve"]
