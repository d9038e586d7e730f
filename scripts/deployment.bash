# What scripts/deploy, undeploy and smoke share: the settings, and commands that are either run or,
# with --dry-run, printed. To be sourced, with set -euo pipefail.
# shellcheck shell=bash disable=SC2034,SC2016 # each of the three uses its part; what is printed is not expanded

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
list=${NEGFLEET_FUNCTIONS:-infra/functions.list}
dry=
settings=deploy.env

SETTINGS=(PROJECT REGION FLEET_FILE CLUSTERS CLUSTER_PROJECTS NETWORK_PROJECT GATEWAY_PROJECTS VPC_CONNECTOR PUBLIC_ACCESS LOG_LEVEL SMOKE_IMAGE)

# read_settings reads the settings file and fails with all that is wrong in it. It is read, not
# sourced: a settings file runs nothing.
read_settings() {
  local line name problems=()
  for name in "${SETTINGS[@]}"; do printf -v "$name" ''; done
  if [[ ! -r $settings ]]; then
    echo "settings: cannot read $settings; copy deploy.env.example there and edit it" >&2
    exit 2
  fi
  while IFS= read -r line || [[ -n $line ]]; do
    [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
    name=${line%%=*}
    if [[ $line != *=* || " ${SETTINGS[*]} " != *" $name "* ]]; then
      problems+=("$line: want NAME=VALUE, with one of ${SETTINGS[*]}")
      continue
    fi
    printf -v "$name" '%s' "${line#*=}"
  done <"$settings"
  CLUSTER_PROJECTS=${CLUSTER_PROJECTS:-$PROJECT}
  PUBLIC_ACCESS=${PUBLIC_ACCESS:-allUsers}
  LOG_LEVEL=${LOG_LEVEL:-info}
  SMOKE_IMAGE=${SMOKE_IMAGE:-registry.k8s.io/e2e-test-images/agnhost:2.53}
  check_settings
  if ((${#problems[@]})); then
    printf "$settings: %s\n" "${problems[@]}" >&2
    exit 2
  fi
}

# check_settings adds to the problems of its caller.
check_settings() {
  local each
  matches PROJECT "$PROJECT" '^[a-z][a-z0-9-]{4,28}[a-z0-9]$' 'a project ID, such as my-project'
  matches REGION "$REGION" '^[a-z]+-[a-z]+[0-9]+$' 'a region, such as europe-west1'
  for each in $CLUSTER_PROJECTS; do matches CLUSTER_PROJECTS "$each" '^[a-z][a-z0-9-]{4,28}[a-z0-9]$' 'project IDs'; done
  for each in $NETWORK_PROJECT; do matches NETWORK_PROJECT "$each" '^[a-z][a-z0-9-]{4,28}[a-z0-9]$' 'a project ID'; done
  for each in $GATEWAY_PROJECTS; do matches GATEWAY_PROJECTS "$each" '^[a-z][a-z0-9-]{4,28}[a-z0-9]$' 'project IDs'; done
  matches PUBLIC_ACCESS "$PUBLIC_ACCESS" '^(allUsers|no-invoker-check)$' 'allUsers or no-invoker-check'
  matches LOG_LEVEL "$LOG_LEVEL" '^(debug|info|warn|error)$' 'debug, info, warn or error'
  for each in $CLUSTERS; do matches CLUSTERS "$each" '^[a-z]([-a-z0-9]{0,38}[a-z0-9])?=.+$' 'NAME=CONTEXT for each cluster'; done
  if [[ ! -r $FLEET_FILE ]]; then
    problems+=("FLEET_FILE=$FLEET_FILE: cannot read it; want the path of the fleet file")
    return
  fi
  # Secret Manager keeps 64 KiB in one version.
  if (($(wc -c <"$FLEET_FILE") > 65536)); then
    problems+=("FLEET_FILE=$FLEET_FILE: larger than 65536 bytes, the most that Secret Manager keeps; split the fleet over two deployments")
  fi
  for each in $CLUSTERS; do
    grep -qE "name: *[\"']?${each%%=*}[\"']?([ ,}#]|\$)" "$FLEET_FILE" || problems+=("CLUSTERS=$each: $FLEET_FILE has no cluster ${each%%=*}")
  done
}

# matches NAME VALUE PATTERN WANT
matches() {
  [[ $2 =~ $3 ]] || problems+=("$1=$2: want $4")
}

# quoted prints a command as a shell takes it. What a dry run has only the name of stays a
# variable.
quoted() {
  local word text='' variable='^[A-Za-z0-9_./:=@,%+-]*[$][A-Z]+[A-Za-z0-9_./:=@,%+-]*$'
  for word; do
    if [[ $word =~ $variable ]]; then
      word="\"$word\""
    elif [[ ! $word =~ ^[A-Za-z0-9_./:=@,%+-]+$ ]]; then
      word="'${word//\'/\'\\\'\'}'"
    fi
    text+=" $word"
  done
  printf '%s' "${text# }"
}

say() {
  if [[ $dry ]]; then printf '\n# %s\n' "$*"; else echo "-- $*" >&2; fi
}

run() {
  if [[ $dry ]]; then quoted "$@" && echo; else "$@"; fi
}

# there CHECK...: whether a thing is there. That it is not must be said by its API: what cannot be
# asked for stops everything, as it is neither to be made nor passed over.
there() {
  local error absent='NOT_FOUND|status=\[404\]|HTTPError 404'
  # Of an account that is not there IAM may say this.
  if [[ "$*" == 'gcloud iam service-accounts '* ]]; then absent+='|PERMISSION_DENIED'; fi
  if error=$("$@" 2>&1 >/dev/null); then return 0; fi
  if [[ $error =~ $absent ]]; then return 1; fi
  printf '%s\n%s: whether it is there is not known\n' "$error" "$(quoted "$@")" >&2
  exit 1
}

# unless CHECK... -- COMMAND...: for what is made once.
unless() {
  local check=()
  while [[ $1 != -- ]]; do check+=("$1"); shift; done
  shift
  if [[ $dry ]]; then
    printf '%s ||\n  %s\n' "$(quoted "${check[@]}")" "$(quoted "$@")"
  elif ! there "${check[@]}"; then
    "$@"
  fi
}

# either CHECK... -- IF IT IS THERE... -- IF NOT...
either() {
  local check=() update=()
  while [[ $1 != -- ]]; do check+=("$1"); shift; done
  shift
  while [[ $1 != -- ]]; do update+=("$1"); shift; done
  shift
  if [[ $dry ]]; then
    printf 'if %s; then\n  %s\nelse\n  %s\nfi\n' "$(quoted "${check[@]}")" "$(quoted "${update[@]}")" "$(quoted "$@")"
  elif there "${check[@]}"; then
    "${update[@]}"
  else
    "$@"
  fi
}

# gone CHECK... -- COMMAND...: for what is taken away if it is there.
gone() {
  local check=()
  while [[ $1 != -- ]]; do check+=("$1"); shift; done
  shift
  if [[ $dry ]]; then
    printf '! %s ||\n  %s\n' "$(quoted "${check[@]}")" "$(quoted "$@")"
  elif there "${check[@]}"; then
    "$@"
  fi
}

# value VARIABLE COMMAND...: what a command prints; its name in a dry run.
value() {
  local variable=$1 printed
  shift
  if [[ $dry ]]; then
    echo "$variable=\$($(quoted "$@"))"
    printf -v "$variable" '%s' "\$$variable"
  else
    printed=$("$@") # by itself, or a failure would be that of printf, which has none
    printf -v "$variable" '%s' "$printed"
  fi
}

# each_function COMMAND: calls it with the columns of each function in variables.
each_function() {
  local name package entry receives publishes access concurrency cpu memory min max timeout
  while read -r name package entry receives publishes access concurrency cpu memory min max timeout <&3; do
    [[ -z $name || $name == '#'* ]] || "$1"
  done 3<"$list"
}

# paths_unlogged: whether the log has the exclusion of secret paths.
paths_unlogged() {
  local exclusions
  exclusions=$(gcloud logging sinks describe _Default --project="$PROJECT" --format='value(exclusions[].name)') || exit 1
  grep -qw negfleet-paths <<<"$exclusions"
}

account() { echo "negfleet-$1@$PROJECT.iam.gserviceaccount.com"; }

# url VARIABLE NAME: where a function is called.
url() {
  value "$1" gcloud functions describe "negfleet-$2" --gen2 --region="$REGION" --project="$PROJECT" --format='value(serviceConfig.uri)'
}

# negfleet runs the command of this tree, which knows the clusters by the fleet file. Only to
# register it needs the keys; they go into the environment of one process, as an argument could be
# seen by others.
negfleet() {
  local keys=(gcloud secrets versions access latest --secret=negfleet-caller-keys "--project=$PROJECT") value=
  if [[ $dry ]]; then
    if [[ $2 == register ]]; then printf 'NEGFLEET_CALLER_KEYS="$(%s)" ' "$(quoted "${keys[@]}")"; fi
    printf 'NEGFLEET_FLEET=%s build/negfleet %s\n' "$(quoted "$FLEET_FILE")" "$(quoted "$@")"
    return
  fi
  go build -o build/negfleet ./cmd/negfleet
  if [[ $2 == register ]]; then value=$("${keys[@]}"); fi
  NEGFLEET_CALLER_KEYS=$value NEGFLEET_FLEET=$FLEET_FILE build/negfleet "$@"
}

# roles_for_cluster prints the manifests of infra/rbac, bound to the service accounts.
roles_for_cluster() {
  local file
  for file in infra/rbac/*.yaml; do
    echo ---
    sed -E "/kind: User/{n;s/name: (negfleet-[a-z]+)\$/name: \\1@$PROJECT.iam.gserviceaccount.com/}" "$file"
  done
}

# topics are all that the functions receive or publish to, and that of the dead letters.
topics() {
  awk '!/^#/ && NF { print $4 "," $5 }' "$list" | tr , '\n' | sed -n 's|^\(negfleet-[a-z]*\).*|\1|p' | LC_ALL=C sort -u
  echo negfleet-dead
}
