// Command kubectl is the cluster's own client, of a fixed version: the torture
// suite compares Drover with what people do by hand.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

func main() {
	os.Exit(cli.Run(cmd.NewDefaultKubectlCommand()))
}
