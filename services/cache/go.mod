module github.com/headgate-mesh/headgate/services/cache

go 1.26.8
