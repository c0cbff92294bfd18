// Package source opens what is to be built: a published crate, a directory of
// this machine, one commit of a git repository, or an archive. What it gives is a file
// tree that is the same wherever the same thing was opened.
//
// # Directories
//
// In a git work tree: the files of the commit HEAD, read from git's objects,
// so that nothing a checkout does (line endings, filters) counts. The tree is
// the directory that was named, or the repository's root if the build needs
// what lies outside of the directory: the workspace's root, a path dependency,
// a Cargo configuration or a toolchain file; Source.Dir then says where the
// directory is. Anything that `git status` shows in the tree is refused, unless
// Options.Dirty: then the tree is what `git add -A` would make of the disk.
// Submodules are in the tree at the commits that are recorded for them.
// Elsewhere: all files, except .git, a target directory at the root, and
// directories called target with a CACHEDIR.TAG.
//
// Every time is Source.Epoch: that of the commit; of a crate the newest of its
// files (which for crates that a Cargo of today packed is 1153704088,
// 2006-07-24, throughout); else 0. Modes are 0755 and 0644, the owner is root.
//
// A pointer of git's large file storage has the hash of the file that it stands for,
// so the file is in the tree: from .git/lfs, or from the work tree.
//
// # Files
//
// A .crate is the crate that it is, whoever gave it the name. A tar archive is a
// tree without a commit: a folder that all of it lies in is left out, and its
// own .git is; it is identified by the archive's SHA-256, and dated by its newest
// file.
//
// Refused: symbolic links that leave the tree, pointers to large files that
// aren't there, devices and the like, and paths that a checkout would refuse.
//
// # git
//
// Everything runs the system's git with the user's settings, credentials and
// ssh agent, and without hooks, terminal, transport helpers or the variables
// that git sets for its children. Commits are fetched by id and without history
// into one bare repository beside the store, which serves all projects; where a
// server gives only what has a name, everything is fetched into a temporary
// repository first. A ref refs/twice/<commit> says that a commit is whole.
//
// # Git dependencies offline
//
// Measured with Cargo 1.95.0 and git 2.39.5, in a network namespace without
// interfaces, with CARGO_NET_GIT_FETCH_WITH_CLI=true and url.<bundle>.insteadOf:
// for a locked commit Cargo runs
//
//	git fetch --tags --force --update-head-ok URL '+refs/heads/*:refs/remotes/origin/*' '+HEAD:refs/remotes/origin/HEAD'
//
// whatever the manifest asks for (branch, tag, rev, nothing), and then takes
// the commit by its id. So a bundle needs a branch for each commit, and no name
// of upstream's. History isn't needed: git takes the objects of a shallow
// repository; it warns that it rejects the references ("shallow roots are not
// allowed to be updated"), exits with 0, and Cargo finds the commit. Submodules
// are fetched by Cargo in the same way, from the URLs in GitRepo.URL.
// [GitBundleTree] was tried with all of these, two revisions of one repository
// and workspaces with inherited fields; a test repeats it.
package source
