module github.com/headgate-mesh/headgate/services/gateway

go 1.26.8

require (
	github.com/headgate-mesh/headgate/dialect v0.0.0
	github.com/headgate-mesh/headgate/gen v0.0.0
	github.com/headgate-mesh/headgate/kit v0.0.0
)

replace (
	github.com/headgate-mesh/headgate/dialect => ../../dialect
	github.com/headgate-mesh/headgate/gen => ../../gen
	github.com/headgate-mesh/headgate/kit => ../../kit
)
