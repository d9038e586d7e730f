// Package provider stands in for a Terraform provider where the real one is out of reach: it
// speaks the plugin protocol by the schema that it is given, plans as a provider of an API does,
// and applies by taking what it is told and making up what an API would answer. So Terraform
// itself evaluates every expression of infra/, to the last value.
//
// It calls nobody and keeps nothing.
package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/negfleet/negfleet/test/infra/stubprovider/schema"
)

// Server is one provider. What Terraform does not ask for here is not implemented.
type Server struct {
	tfprotov6.ProviderServer
	Schema *schema.Provider
}

func (s Server) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	r := &tfprotov6.GetMetadataResponse{ServerCapabilities: &tfprotov6.ServerCapabilities{}}
	for name := range s.Schema.Resources {
		r.Resources = append(r.Resources, tfprotov6.ResourceMetadata{TypeName: name})
	}
	for name := range s.Schema.Data {
		r.DataSources = append(r.DataSources, tfprotov6.DataSourceMetadata{TypeName: name})
	}
	for name := range s.Schema.Ephemeral {
		r.EphemeralResources = append(r.EphemeralResources, tfprotov6.EphemeralResourceMetadata{TypeName: name})
	}
	return r, nil
}

func (s Server) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return &tfprotov6.GetProviderSchemaResponse{
		Provider:                 &tfprotov6.Schema{Block: wire(s.Schema.Config)},
		ResourceSchemas:          wires(s.Schema.Resources),
		DataSourceSchemas:        wires(s.Schema.Data),
		EphemeralResourceSchemas: wires(s.Schema.Ephemeral),
	}, nil
}

func (s Server) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (s Server) GetFunctions(context.Context, *tfprotov6.GetFunctionsRequest) (*tfprotov6.GetFunctionsResponse, error) {
	return &tfprotov6.GetFunctionsResponse{}, nil
}

func (s Server) ValidateProviderConfig(_ context.Context, r *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (s Server) ConfigureProvider(context.Context, *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	return &tfprotov6.ConfigureProviderResponse{}, nil
}

func (s Server) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

func (s Server) ValidateResourceConfig(_ context.Context, r *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	all, err := validate(s.Schema.Resources[r.TypeName], r.Config)
	return &tfprotov6.ValidateResourceConfigResponse{Diagnostics: all}, err
}

func (s Server) ValidateDataResourceConfig(_ context.Context, r *tfprotov6.ValidateDataResourceConfigRequest) (*tfprotov6.ValidateDataResourceConfigResponse, error) {
	all, err := validate(s.Schema.Data[r.TypeName], r.Config)
	return &tfprotov6.ValidateDataResourceConfigResponse{Diagnostics: all}, err
}

func (s Server) ValidateEphemeralResourceConfig(_ context.Context, r *tfprotov6.ValidateEphemeralResourceConfigRequest) (*tfprotov6.ValidateEphemeralResourceConfigResponse, error) {
	all, err := validate(s.Schema.Ephemeral[r.TypeName], r.Config)
	return &tfprotov6.ValidateEphemeralResourceConfigResponse{Diagnostics: all}, err
}

func validate(b *schema.Block, config *tfprotov6.DynamicValue) ([]*tfprotov6.Diagnostic, error) {
	v, err := config.Unmarshal(typeOf(b))
	if err != nil {
		return nil, err
	}
	return refused(b, v)
}

func (s Server) UpgradeResourceState(_ context.Context, r *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	t := typeOf(s.Schema.Resources[r.TypeName])
	v, err := r.RawState.Unmarshal(t)
	if err != nil {
		return nil, err
	}
	state, err := tfprotov6.NewDynamicValue(t, v)
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &state}, err
}

func (s Server) ReadResource(_ context.Context, r *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{NewState: r.CurrentState, Private: r.Private}, nil
}

func (s Server) PlanResourceChange(_ context.Context, r *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	b := s.Schema.Resources[r.TypeName]
	t := typeOf(b)
	proposed, err := r.ProposedNewState.Unmarshal(t)
	if err != nil || proposed.IsNull() {
		return &tfprotov6.PlanResourceChangeResponse{PlannedState: r.ProposedNewState}, err
	}
	prior, err := r.PriorState.Unmarshal(t)
	if err != nil {
		return nil, err
	}
	next, err := planned(b, proposed, false)
	if err == nil && !next.Equal(prior) {
		next, err = planned(b, proposed, true)
	}
	answer := &tfprotov6.PlanResourceChangeResponse{}
	if err == nil && !prior.IsNull() {
		answer.RequiresReplace, err = replacing(b, prior, next)
	}
	if err != nil {
		return nil, err
	}
	state, err := tfprotov6.NewDynamicValue(t, next)
	answer.PlannedState = &state
	return answer, err
}

func (s Server) ApplyResourceChange(_ context.Context, r *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	state, err := fill(s.Schema.Resources[r.TypeName], r.PlannedState)
	return &tfprotov6.ApplyResourceChangeResponse{NewState: state}, err
}

func (s Server) ReadDataSource(_ context.Context, r *tfprotov6.ReadDataSourceRequest) (*tfprotov6.ReadDataSourceResponse, error) {
	state, err := fill(s.Schema.Data[r.TypeName], r.Config)
	return &tfprotov6.ReadDataSourceResponse{State: state}, err
}

func (s Server) OpenEphemeralResource(_ context.Context, r *tfprotov6.OpenEphemeralResourceRequest) (*tfprotov6.OpenEphemeralResourceResponse, error) {
	result, err := fill(s.Schema.Ephemeral[r.TypeName], r.Config)
	return &tfprotov6.OpenEphemeralResourceResponse{Result: result}, err
}

func (s Server) CloseEphemeralResource(context.Context, *tfprotov6.CloseEphemeralResourceRequest) (*tfprotov6.CloseEphemeralResourceResponse, error) {
	return &tfprotov6.CloseEphemeralResourceResponse{}, nil
}

// fill is computed, from wire to wire.
func fill(b *schema.Block, from *tfprotov6.DynamicValue) (*tfprotov6.DynamicValue, error) {
	if b == nil {
		return nil, fmt.Errorf("unknown type")
	}
	t := typeOf(b)
	v, err := from.Unmarshal(t)
	if err != nil || v.IsNull() {
		return from, err
	}
	var done tftypes.Value
	if done, err = computed(b, v); err != nil {
		return nil, err
	}
	to, err := tfprotov6.NewDynamicValue(t, done)
	return &to, err
}
