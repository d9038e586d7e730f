# What is deployed is written down once, for scripts/deploy and for this: functions.list, roles/
# and log-sink.filter. Here they are read.

locals {
  # The columns of functions.list, by name.
  rows = [for line in split("\n", file(coalesce(var.functions_list, "${path.module}/functions.list"))) :
    regexall("[^[:space:]]+", line) if can(regex("^[^#[:space:]]", line))
  ]
  functions = { for row in local.rows : row[0] => {
    entry       = row[2]
    receives    = split(",", row[3])
    publishes   = [for topic in split(",", row[4]) : topic if startswith(topic, "negfleet-")]
    access      = row[5]
    concurrency = tonumber(row[6])
    cpu         = row[7]
    memory      = row[8]
    min         = tonumber(row[9])
    max         = tonumber(row[10])
    timeout     = tonumber(trimsuffix(row[11], "s"))
  } }

  public = [for row in local.rows : row[0] if row[5] == "public"]

  # TOPIC-FUNCTION, as scripts/deploy names them. A topic may come with the path it is pushed to.
  subscriptions = merge([for name, function in local.functions : {
    for source in function.receives : "${split("/", source)[0]}-${name}" => {
      function = name
      topic    = split("/", source)[0]
      path     = trimprefix(source, split("/", source)[0])
    } if startswith(source, "negfleet-")
  }]...)
  scheduled = [for name, function in local.functions : name if contains(function.receives, "schedule")]
  topics = setunion(
    [for subscription in local.subscriptions : subscription.topic],
    flatten([for function in local.functions : function.publishes]),
    ["negfleet-dead"],
  )

  cluster_projects = var.cluster_projects != null ? var.cluster_projects : toset([var.project])
}

# What all functions have in common.
locals {
  runtime = "go126"
  # Without its symbols a binary starts from a smaller image.
  build_environment = { GOOGLE_GOLDFLAGS = "-s -w" }

  environment = {
    NEGFLEET_FLEET    = "/etc/negfleet/fleet.yaml"
    PUBSUB_PROJECT_ID = var.project
    LOG_LEVEL         = var.log_level
  }
  # Who negfleet is in the clusters: its own writes are no events.
  identities = join(",", [for name in ["reconcile", "readiness"] : "negfleet-${name}@${var.project}.iam.gserviceaccount.com"])

  # The functions that there are, by name.
  deployed = merge(
    google_cloudfunctions2_function.events,
    google_cloudfunctions2_function.audit,
    google_cloudfunctions2_function.admission,
    google_cloudfunctions2_function.reconcile,
    google_cloudfunctions2_function.readiness,
    google_cloudfunctions2_function.sweep,
  )
  urls = { for name, function in local.deployed : name => function.service_config[0].uri }
}
