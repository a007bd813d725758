module github.com/headgate-mesh/headgate/dialect

go 1.26.8

require (
	github.com/headgate-mesh/headgate/gen v0.0.0
	github.com/headgate-mesh/headgate/kit v0.0.0
	google.golang.org/protobuf v1.36.12
)

require (
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261104224025-d1e00e9f33ab // indirect
	google.golang.org/grpc v1.85.0 // indirect
)

replace (
	github.com/headgate-mesh/headgate/gen => ../gen
	github.com/headgate-mesh/headgate/kit => ../kit
)
