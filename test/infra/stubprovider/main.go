// Stubprovider stands in for the Terraform providers that infra/ uses, under the name that
// Terraform looks for, and checks infra/ where there is no Terraform at all:
//
//	terraform-provider-NAME     run by Terraform: the provider NAME
//	stubprovider check DIR...   says what is wrong with the configurations in the folders
//	stubprovider local DIR NAME prints a local that is made of other locals, as JSON
package main

import (
	"errors"
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
	switch args := os.Args[1:]; {
	case len(args) >= 2 && args[0] == "check":
		return checked(args[1:], providers)
	case len(args) == 3 && args[0] == "local":
		value, err := check.Local(args[1], args[2])
		if err == nil {
			_, err = os.Stdout.Write(value)
		}
		return err
	}
	return errors.New("usage: stubprovider check DIR... | stubprovider local DIR NAME")
}

// checked is an error of all problems of the folders.
func checked(dirs []string, providers map[string]*schema.Provider) error {
	var problems []string
	for _, dir := range dirs {
		found, err := check.Dir(dir, providers)
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n"))
	}
	return nil
}
