terraform {
  # 1.9: a variable's validation may look at other variables. 1.7 and later have the mocks that the tests need.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}
