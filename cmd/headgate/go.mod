module github.com/headgate-mesh/headgate/cmd/headgate

go 1.26.8

require (
	github.com/headgate-mesh/headgate/gen v0.0.0
	github.com/headgate-mesh/headgate/kit v0.0.0
	github.com/headgate-mesh/headgate/services/gateway v0.0.0
	github.com/headgate-mesh/headgate/services/router v0.0.0
	github.com/headgate-mesh/headgate/sim v0.0.0
)

replace (
	github.com/headgate-mesh/headgate/dialect => ../../dialect
	github.com/headgate-mesh/headgate/gen => ../../gen
	github.com/headgate-mesh/headgate/kit => ../../kit
	github.com/headgate-mesh/headgate/services/gateway => ../../services/gateway
	github.com/headgate-mesh/headgate/services/router => ../../services/router
	github.com/headgate-mesh/headgate/sim => ../../sim
)
