package fakegce

import "net/http"

// configMethods are a family's methods in one scope; id is the API's name for
// the family there, and changes are those of "patch" and "update" it has.
func configMethods(id, in string, f *family, changes ...string) []Method {
	all := "projects/{project}/" + in + "/" + f.name
	each := all + "/{" + f.one + "}"
	list := append(readMethods(id, in, f.one, f.collection),
		Method{ID: id + ".insert", HTTP: http.MethodPost, Path: all, Query: mutationParams, serve: insertOne(f)},
		Method{ID: id + ".delete", HTTP: http.MethodDelete, Path: each, resource: f.one, Query: mutationParams, serve: deleteOne(f)},
	)
	for _, change := range changes {
		m := Method{ID: id + "." + change, HTTP: http.MethodPatch, Path: each, resource: f.one, Query: mutationParams, serve: patchOne(f)}
		if change == "update" {
			m.HTTP, m.serve = http.MethodPut, updateOne(f)
		}
		list = append(list, m)
	}
	return list
}

// setMethod is a method that sets one field; in is empty where its path leaves
// the scope out.
func setMethod(id, in string, f *family, name, field string) Method {
	path := "projects/{project}/"
	if in != "" {
		path += in + "/"
	}
	return Method{ID: id + "." + name, HTTP: http.MethodPost, Path: path + f.name + "/{" + f.one + "}/" + name,
		resource: f.one, Query: mutationParams, serve: setOne(f, name, field)}
}
