// `npm run bench -- <name>`: installs and builds what is not up to date, then runs bench/<name>.ts from the sources. With
// `--node 24` on that version of Node, from npm.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { become, build, install, root } from './prepare.mjs'

const [name, ...args] = process.argv.slice(2)
const file = join(root, 'bench', `${name}.ts`)
if (!name || !/^[\w-]+$/.test(name) || !existsSync(file)) {
  const names = readdirSync(join(root, 'bench')).flatMap((entry) => (entry.endsWith('.ts') ? [entry.slice(0, -3)] : []))
  console.error(`Which benchmark? npm run bench -- <name>, with one of: ${names.sort().join(', ') || '(none yet)'}`)
  process.exit(2)
}
install('all')
if (name !== 'compare') build()
const { register } = await import('tsx/esm/api')
register()
const at = args.indexOf('--node')
if (at === -1) await become(file, args)
else {
  const { findNode } = await import('../bench/lib/node-versions.ts')
  const [, version] = args.splice(at, 2)
  const node = findNode(version)
  const options = { cwd: process.cwd(), stdio: 'inherit' }
  process.exitCode = spawnSync(node, ['--import', 'tsx', file, ...args], options).status ?? 1
}
