module github.com/headgate-mesh/headgate/services/ratelimit

go 1.26.8
