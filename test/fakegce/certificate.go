package fakegce

import (
	"crypto/x509"
	"encoding/pem"
)

var sslCertificates = &family{
	collection: collection{name: "sslCertificates", kind: "compute#sslCertificate", scopes: []scopeKind{region, global}},
	one:        "sslCertificate",
	defaults:   doc{"type": "SELF_MANAGED"},
	complete:   completeCertificate,
}

type certificateInput struct {
	Type        string `json:"type"`
	Certificate string `json:"certificate"`
	PrivateKey  string `json:"privateKey"`
	SelfManaged struct {
		Certificate string `json:"certificate"`
		PrivateKey  string `json:"privateKey"`
	} `json:"selfManaged"`
	Managed struct {
		Domains []string `json:"domains"`
	} `json:"managed"`
}

func completeCertificate(_ *Server, d *draft) *apiError {
	var in certificateInput
	if err := d.read(&in); err != nil {
		return err
	}
	if in.Type == "SELF_MANAGED" {
		return completeSelfManaged(d, &in)
	}
	if err := oneOf("resource.type", in.Type, "MANAGED", "SELF_MANAGED"); err != nil {
		return err
	}
	if len(in.Managed.Domains) == 0 {
		return errRequired("resource.managed.domains")
	}
	status := map[string]string{}
	for _, domain := range in.Managed.Domains {
		status[domain] = "PROVISIONING"
	}
	d.doc["managed"] = doc{"domains": in.Managed.Domains, "status": "PROVISIONING", "domainStatus": status}
	return nil
}

// completeSelfManaged reads the certificate, and never shows the key.
func completeSelfManaged(d *draft, in *certificateInput) *apiError {
	setDefault(&in.Certificate, in.SelfManaged.Certificate)
	setDefault(&in.PrivateKey, in.SelfManaged.PrivateKey)
	if in.Certificate == "" {
		return errRequired("resource.certificate")
	}
	if in.PrivateKey == "" {
		return errRequired("resource.privateKey")
	}
	block, _ := pem.Decode([]byte(in.Certificate))
	if block == nil {
		return errInvalid("resource.certificate", "", "The SSL certificate could not be parsed.")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return errInvalid("resource.certificate", "", "The SSL certificate could not be parsed.")
	}
	delete(d.doc, "privateKey")
	d.doc["certificate"] = in.Certificate
	d.doc["selfManaged"] = doc{"certificate": in.Certificate}
	d.doc["expireTime"] = stamp(parsed.NotAfter)
	if len(parsed.DNSNames) > 0 {
		d.doc["subjectAlternativeNames"] = parsed.DNSNames
	}
	return nil
}
