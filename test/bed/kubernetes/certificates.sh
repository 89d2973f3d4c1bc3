#!/bin/bash
# certificates.sh DIR: one authority, the certificates of all components, the service accounts' key,
# and a kubeconfig for each component. The same for every box: none is reachable from outside its own.
set -eu
dir=$1
rm -rf "$dir"
mkdir -p "$dir"
cd "$dir"
chmod 700 .

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }
# certificate NAME SUBJECT EXTENSIONS
certificate() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" \
    -extfile <(printf '%b' "$3") 2>/dev/null
  rm "$1.csr"
}
kubeconfig() {
  cat >"$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: bed, cluster: {server: "https://127.0.0.1:16443", certificate-authority: $dir/ca.crt}}]
users: [{name: $1, user: {client-certificate: $dir/$1.crt, client-key: $dir/$1.key}}]
contexts: [{name: bed, context: {cluster: bed, user: $1}}]
current-context: bed
YAML
}

key ca
openssl req -x509 -new -key ca.key -days 3650 -out ca.crt -subj "/CN=outrider bed" \
  -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
openssl genrsa -out service-account.key 2048 2>/dev/null
openssl rsa -in service-account.key -pubout -out service-account.pub 2>/dev/null

serving="extendedKeyUsage=serverAuth\nsubjectAltName"
client="extendedKeyUsage=clientAuth\n"
names="DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
certificate apiserver /CN=kube-apiserver "$serving=IP:127.0.0.1,IP:10.97.0.1,IP:10.96.0.1,$names\n"
certificate kubelet-serving /O=system:nodes/CN=system:node:bed "$serving=IP:10.97.0.1,DNS:bed\n"
certificate kubelet-client /O=system:masters/CN=apiserver-kubelet-client "$client"
certificate front-proxy /CN=front-proxy "$client"
certificate admin /O=system:masters/CN=admin "$client"
certificate controllers /CN=system:kube-controller-manager "$client"
certificate scheduler /CN=system:kube-scheduler "$client"
certificate kubelet /O=system:nodes/CN=system:node:bed "$client"
certificate proxy /CN=system:kube-proxy "$client"
for name in admin controllers scheduler kubelet proxy; do kubeconfig "$name"; done
