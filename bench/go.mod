module github.com/headgate-mesh/headgate/bench

go 1.26.8
