# The packages of the functions on AWS and the code of the rewriting at CloudFront's edge, in dist/lambda.
# See docs/operating/aws.md. ARCH=arm64 builds for Graviton; CONFIG=afterimage.toml puts a configuration into the packages, and
# makes the rewriting from it.

ARCH ?= x86_64
CONFIG ?=

.PHONY: lambda
lambda:
	deploy/lambda/build "$(ARCH)" "$(CONFIG)"

# The functions' tests over the packages that make lambda left in dist/lambda.
.PHONY: lambda-test
lambda-test:
	deploy/lambda/test
