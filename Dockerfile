# Symbolon in a container: the program alone, without a shell, as a user without rights.
#
#   docker build -t symbolon .
#   docker run -p 8080:8080 -v symbolon:/data symbolon serve --public-url https://kyc.example.com
#
# It speaks plain HTTP on 8080, for a proxy that ends TLS: phones need https for their camera.

FROM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY scripts/weights.mjs /src/scripts/
RUN node ../scripts/weights.mjs
COPY web ./
COPY checks/regions.txt /src/checks/
RUN npm run build

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=web /src/web/dist web/dist
COPY --from=web /src/checks/face/weights checks/face/weights
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/symbolon ./cmd/symbolon \
 && mkdir -m 0700 /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY LICENSE NOTICE /
COPY --from=build /out/symbolon /symbolon
# A new volume takes its owner from this folder.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV SYMBOLON_LISTEN=:8080 SYMBOLON_DATA=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/symbolon", "health"]
ENTRYPOINT ["/symbolon"]
CMD ["serve"]
