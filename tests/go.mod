module github.com/headgate-mesh/headgate/tests

go 1.26.8

require (
	github.com/headgate-mesh/headgate/gen v0.0.0
	github.com/headgate-mesh/headgate/sim v0.0.0
)

replace (
	github.com/headgate-mesh/headgate/gen => ../gen
	github.com/headgate-mesh/headgate/sim => ../sim
)
