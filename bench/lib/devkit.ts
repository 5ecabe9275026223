import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './built.ts'

const versions = { workflow: '4.8.9', '@workflow/world-postgres': '4.3.7' }
/** Kept like the versions of Node: its thousand packages take minutes to install. */
const folder = join(root, `node_modules/.cache/jetty-devkit-${versions.workflow}`)

const source = `const say = async (given: { text: string }) => {
  'use step'
  return { text: given.text }
}
export async function echo(text: string, steps: number) {
  'use workflow'
  let value = { text }
  for (let at = 0; at < steps; at++) value = await say(value)
  return value
}
`

export const devkitName = `Workflow DevKit ${versions.workflow}`
export const devkitBundles = '.well-known/workflow/v1'

const run = promisify(execFile)

/**
 * Installs Vercel's Workflow DevKit with its PostgreSQL world, and builds an app of one workflow with its own command: the
 * standalone target, which needs no framework. Returns the app's folder.
 */
export const prepareDevkit = async (): Promise<string> => {
  if (existsSync(folder)) return folder
  const draft = `${folder}-draft`
  const options = { cwd: draft, maxBuffer: 16 * 1024 * 1024 }
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(join(draft, 'workflows'), { recursive: true })
  writeFileSync(join(draft, 'package.json'), JSON.stringify({ private: true, dependencies: versions }))
  writeFileSync(join(draft, 'workflows/echo.ts'), source)
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], options)
  await run(process.execPath, [join(draft, 'node_modules/workflow/bin/run.js'), 'build'], options)
  renameSync(draft, folder)
  return folder
}

/** Makes the tables of the world, by its own command. */
export const migrateDevkit = async (url: string): Promise<void> => {
  const setup = join(folder, 'node_modules/@workflow/world-postgres/bin/setup.js')
  await run(process.execPath, [setup], { cwd: folder, env: { ...process.env, WORKFLOW_POSTGRES_URL: url } })
}
