import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './built.ts'

const folder = join(root, 'node_modules/.cache/jetty-nodes')

/** The program of a major version of Node: this one, or from npm's package `node-<platform>-<arch>`, which is kept. */
export const findNode = (version: string | undefined): string => {
  if (!version || !/^\d+$/.test(version)) throw new Error('A major version of Node is needed, as in --node 24')
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  const own = join(folder, version)
  const program = join(own, 'node_modules', name, 'bin/node')
  if (existsSync(program)) return program
  mkdirSync(own, { recursive: true })
  writeFileSync(join(own, 'package.json'), '{"private": true}')
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${version}`]
  const { status, stderr } = spawnSync('npm', args, { cwd: own, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm cannot install Node ${version}: ${stderr}`)
  return program
}
