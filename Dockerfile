FROM rust:1-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN useradd --system --no-create-home shopscore
COPY --from=build /build/target/release/shopscore /usr/local/bin/shopscore
USER shopscore
ENTRYPOINT ["shopscore"]
CMD ["serve"]
