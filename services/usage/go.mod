module github.com/headgate-mesh/headgate/services/usage

go 1.26.8
