//! The command line: what can be said, and the help that teaches it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Serves any size and format of your images, and lets nothing it made outlive its original.
#[derive(Debug, Parser)]
#[command(name = "afterimage", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Try it:
  afterimage serve ~/Pictures
  curl -o a.webp 'localhost:8080/museum.jpg?w=400&fm=webp'
  rm ~/Pictures/museum.jpg        # within a second every size of it answers 404
  afterimage receipts             # what was removed, and when

Exit codes: 0 done; 1 failed; 2 the command line is wrong; 3 the configuration is wrong;
4 another process holds the state, or none answers; 5 refused or not found.";

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Configuration file (TOML); see `afterimage check-config --defaults`
    #[arg(long, global = true, value_name = "FILE", env = "AFTERIMAGE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Sets one setting, over file and environment; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The directory or URL of originals whose server or state is meant (default: the only server that runs)
    #[arg(long, global = true, value_name = "DIR")]
    pub source: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves a directory of pictures in any size and format
    Serve(Serve),
    /// Says what a URL means: original, canonical path, cache key, tags, derivative key, policy
    Explain {
        /// URL, or its path and query
        url: String,
        /// The host that the viewer would ask (default: the URL's)
        #[arg(long)]
        host: Option<String>,
        /// The `Accept` header the viewer would send
        #[arg(long, default_value = "image/avif,image/webp,image/*,*/*;q=0.8")]
        accept: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Removes everything made from an original, or from every original under a prefix
    Purge(Purge),
    /// Compares what is stored with the originals, and removes what has none
    Reconcile(Reconcile),
    /// Lists what was purged, why and when
    Receipts {
        /// Only receipts about this key
        key: Option<String>,
        /// At most so many, the newest first
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes one derivative without a server
    Render {
        /// The original
        input: PathBuf,
        /// Where to write; `-` is standard output
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Parameters as in a URL: `w=400 fm=webp` or `'w=400&fm=webp'`
        parameters: Vec<String>,
    },
    /// Signs a URL with the first configured key
    Sign {
        /// URL, or its path and query
        url: String,
        /// Use the key of this name
        #[arg(long)]
        key: Option<String>,
        /// Valid for so many seconds
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u64>,
    },
    /// Makes a random secret for signing or for the admin token
    Keygen,
    /// Prints a copyable <img srcset=…> for an original
    Srcset {
        /// The original's key; on a host that has originals of its own, what it is called there
        key: String,
        /// Where pictures are served
        #[arg(long, default_value = "http://127.0.0.1:8080")]
        base: String,
        /// Another host in the place of the base's
        #[arg(long)]
        host: Option<String>,
        /// The `sizes` attribute
        #[arg(long, default_value = "100vw")]
        sizes: String,
    },
    /// Prints the rewrite in front of CloudFront's cache as a CloudFront Function, made from the configuration
    CloudfrontFunction(CloudfrontFunction),
    /// Checks the configuration and prints the promise it comes to
    CheckConfig {
        /// Print an annotated configuration with every setting at its default instead
        #[arg(long)]
        defaults: bool,
    },
    /// Makes pictures for a server, in a process that can reach nothing; started by it, never by hand
    #[command(hide = true)]
    Worker,
    /// Prints a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// A shell that completion scripts are made for.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[allow(missing_docs)]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The directory of originals, or the URL of a server of originals; never written to
    #[arg(value_name = "DIR|URL")]
    pub source_named: Option<String>,
    /// Where pictures are served
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where the operator's interface and the index page are served
    #[arg(long, value_name = "ADDR:PORT")]
    pub admin: Option<SocketAddr>,
    /// Where derivatives are stored
    #[arg(long, value_name = "DIR")]
    pub derivatives: Option<PathBuf>,
    /// The URL of the SQS queue that tells of changes in the originals' bucket
    #[arg(long, value_name = "URL")]
    pub events: Option<String>,
    /// Lift the ladder for experiments: any size within limits; on loopback only
    #[arg(long)]
    pub open: bool,
}

#[derive(Debug, Args)]
pub struct CloudfrontFunction {
    /// Send bare originals to their bucket, past the render function
    #[arg(long)]
    pub cheap: bool,
    /// With --cheap: the id of the distribution's origin for them
    #[arg(long, value_name = "ID", default_value = "originals", requires = "cheap")]
    pub originals_origin: String,
    /// With comments and names, for readers; may be larger than CloudFront takes
    #[arg(long)]
    pub readable: bool,
    /// Where to write (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "what")]
pub struct What {
    /// The original's key
    pub key: Option<String>,
    /// Every original whose key begins so, such as `users/123/`
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
}

#[derive(Debug, Args)]
pub struct Purge {
    #[command(flatten)]
    pub what: What,
    /// Wait until every layer is clean
    #[arg(long)]
    pub wait: bool,
    /// Only say what the outer caches would be told, in how many waves, and what that costs; send nothing
    #[arg(long, conflicts_with = "wait")]
    pub plan: bool,
    /// Print the receipt as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Reconcile {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Let deletions go on that were held because very many originals seemed gone; with --adopt, carry out this plan
    #[arg(long, value_name = "PLAN", num_args = 0..=1, conflicts_with = "dry_run")]
    pub confirm: Option<Option<PathBuf>>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub adopt: Adopt,
}

/// What a person says who comes from the published edge functions. See docs/operating/from-lambda-edge.md.
#[derive(Debug, Args)]
#[command(next_help_heading = "Taking over a bucket that Lambda@Edge functions wrote derivatives into")]
pub struct Adopt {
    /// Look at --source for what was written beside the originals, or delete what was confirmed of it
    #[arg(long, value_name = "LAYOUT", conflicts_with = "dry_run")]
    pub adopt: Option<Layout>,
    /// Write what was found, and what would go, to this new file
    #[arg(long, value_name = "FILE", requires = "adopt", conflicts_with = "confirm")]
    pub plan: Option<PathBuf>,
    /// Let orphans go too: called, sized and written like derivatives, with no original behind them
    #[arg(long, requires = "plan")]
    pub orphans: bool,
    /// The Cache-Control that your copy of the functions writes; empty for none [default: max-age=31536000]
    #[arg(long, value_name = "VALUE", requires = "plan")]
    pub cache_control: Option<String>,
    /// The digest of the plan that is confirmed
    #[arg(long, value_name = "HEX", requires = "confirm")]
    pub digest: Option<String>,
    /// The profile of the role that may delete (default: that of the originals)
    #[arg(long, value_name = "NAME", requires = "adopt")]
    pub profile: Option<String>,
    /// Tell the caches in front (`[[cdn]]`) to forget what went
    #[arg(long, value_name = "REACH", requires = "confirm")]
    pub invalidate: Option<Scope>,
    /// Go on where the server heeds no conditions of deletions
    #[arg(long, requires = "confirm")]
    pub unconditional: bool,
}

/// Who wrote the derivatives.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Layout {
    /// `[prefix/]WxH/FORMAT/NAME` and `[prefix/]WxH/NAME`
    Dims,
}

/// How much the caches in front forget.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Scope {
    /// Each thing that went, and its original's own path
    Keys,
    /// Each folder that had originals of such things
    Folders,
    /// Everything
    All,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
