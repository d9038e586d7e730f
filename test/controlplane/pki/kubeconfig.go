package pki

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig writes a self-contained kubeconfig file for one user: cluster
// and context carry the cluster's name, so files of several clusters merge.
func (a *Authority) Kubeconfig(path, cluster, server, user string, groups ...string) error {
	pair, err := a.Client(user, groups...)
	if err != nil {
		return err
	}
	config := api.NewConfig()
	config.Clusters[cluster] = &api.Cluster{Server: server, CertificateAuthorityData: a.PEM()}
	config.AuthInfos[cluster+"-"+user] = &api.AuthInfo{
		ClientCertificateData: pair.Cert,
		ClientKeyData:         pair.Key,
	}
	config.Contexts[cluster] = &api.Context{Cluster: cluster, AuthInfo: cluster + "-" + user}
	config.CurrentContext = cluster
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("kubeconfig of %s: encode: %w", user, err)
	}
	return WriteFile(path, data)
}
