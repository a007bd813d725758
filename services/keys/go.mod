module github.com/headgate-mesh/headgate/services/keys

go 1.26.8
