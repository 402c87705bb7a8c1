// Command terraform-provider-drover is the Drover provider of Terraform: an
// action that hands the workloads of nodes over before these go.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/droverhq/drover/terraform/provider"
)

// address is what configurations name it by.
const address = "registry.terraform.io/droverhq/drover"

// version is written in by a release.
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "wait for a debugger, and say how Terraform finds this process")
	flag.Parse()
	err := providerserver.Serve(context.Background(), func() provider.Server { return provider.New(version, provider.Library{}) }, providerserver.ServeOpts{Address: address, Debug: *debug})
	if err != nil {
		log.Fatal(err)
	}
}
