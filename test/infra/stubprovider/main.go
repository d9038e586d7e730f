// Stubprovider stands in for the Terraform providers that infra/ uses, under the name that
// Terraform looks for, and checks infra/ where there is no Terraform at all:
//
//	terraform-provider-NAME     run by Terraform: the provider NAME
//	stubprovider check DIR...   says what is wrong with the configurations in the folders
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/negfleet/negfleet/test/infra/stubprovider/check"
	"github.com/negfleet/negfleet/test/infra/stubprovider/provider"
	"github.com/negfleet/negfleet/test/infra/stubprovider/schema"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	providers, err := schema.Providers()
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(filepath.Base(os.Args[0]), "terraform-provider-")
	if p, found := providers[name]; found {
		return tf6server.Serve("registry.terraform.io/hashicorp/"+name, func() tfprotov6.ProviderServer { return provider.Server{Schema: p} })
	}
	if len(os.Args) < 3 || os.Args[1] != "check" {
		return fmt.Errorf("usage: stubprovider check DIR...")
	}
	var problems []string
	for _, dir := range os.Args[2:] {
		found, err := check.Dir(dir, providers)
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "\n"))
	}
	return nil
}
