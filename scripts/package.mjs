// `npm run package`: builds the server and the web whole, writes the types that `exports` names, and packs all of it into one
// file. Arguments are those of `npm pack`. It is no `prepack`: .npmrc turns the scripts of packages off, ours among them.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build, install, npm, root } from './prepare.mjs'

const runOrExit = (file, args, stdout) => {
  const { status } = spawnSync(file, args, { cwd: root, stdio: ['ignore', stdout, 2] })
  if (status !== 0) process.exit(status ?? 1)
}

install()
build()
runOrExit(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.types.json'], 2)
runOrExit(...npm('pack', ...process.argv.slice(2)), 1)
