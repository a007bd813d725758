module github.com/headgate-mesh/headgate/services/ratelimit

go 1.26.8

require (
	github.com/headgate-mesh/headgate/gen v0.0.0
	github.com/headgate-mesh/headgate/kit v0.0.0
	github.com/redis/go-redis/v9 v9.23.0
	go.uber.org/goleak v1.3.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	go.yaml.in/yaml/v4 v4.0.0 // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261104224025-d1e00e9f33ab // indirect
)

replace (
	github.com/headgate-mesh/headgate/gen => ../../gen
	github.com/headgate-mesh/headgate/kit => ../../kit
)
