# Prints ROOM(namespace,name) for each header that declares `void declare_<name>(config::Catalogue&)`.
/^namespace postrider::/ { space = $2; sub(/^postrider::/, "", space) }
/^void declare_[a-z0-9_]*\(.*Catalogue&/ {
  name = $2
  sub(/^declare_/, "", name)
  sub(/\(.*/, "", name)
  print "ROOM(" space "," name ")"
}
