import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'
import { version } from '../../lib/version.ts'
import type { PackagedSkill } from './packaged-skills.ts'

/** What becomes of a file. `changed`: somebody else wrote or edited it since the last installation. */
export type SkillFileAction = 'added' | 'updated' | 'unchanged' | 'removed' | 'changed'

/** What an installation of a skill does to each file of its folder. */
export interface SkillPlan {
  skill: PackagedSkill
  /** The folder with the skills of an agent. */
  parent: string
  /** Paths within the folder of the skill. */
  files: { path: string; action: SkillFileAction }[]
}

/** Record of an installation: the hash of each file as it was written. */
const recordName = '.jetty-skill.json'

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** What stands in the way of a file: a link or anything else where a folder or a regular file belongs. */
const obstacle = (parent: string, path: string): string | undefined => {
  const parts = path.split('/')
  for (let count = 1; count <= parts.length; count += 1) {
    const place = join(parent, ...parts.slice(0, count))
    const found = lstatSync(place, { throwIfNoEntry: false })
    if (!found) return undefined
    if (count < parts.length ? !found.isDirectory() : !found.isFile()) return place
  }
  return undefined
}

/** A link on the way from the current folder to `folder` below it: a repository may have one that leads out of it. */
export const linkOnTheWay = (folder: string): string | undefined => {
  const parts = folder.split('/')
  return parts
    .map((_, at) => parts.slice(0, at + 1).join('/'))
    .find((place) => lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink())
}

const bytesAt = (path: string): Buffer | undefined =>
  lstatSync(path, { throwIfNoEntry: false }) ? readFileSync(path) : undefined

const hasDots = (path: string): boolean => path.split(/[/\\]/).some((part) => /^\.{0,2}$/.test(part))

/** Hashes of the last installation by path; none where its record is missing or not ours. */
const recordedHashes = (parent: string, name: string): Map<string, unknown> => {
  const path = `${name}/${recordName}`
  const text = obstacle(parent, path) ? undefined : bytesAt(join(parent, path))?.toString()
  const files = parsedObject(text ?? '')?.files
  return new Map(isObject(files) ? Object.entries(files).filter(([file]) => !hasDots(file)) : [])
}

const actionOf = (there: Buffer | undefined, wanted: Buffer | undefined, written: unknown): SkillFileAction => {
  if (there === undefined) return wanted ? 'added' : 'unchanged'
  if (wanted?.equals(there)) return 'unchanged'
  if (hashOf(there) !== written) return 'changed'
  return wanted ? 'updated' : 'removed'
}

/** Plans the installation of a skill below `parent`, and touches nothing. */
export const planSkill = (skill: PackagedSkill, parent: string): SkillPlan => {
  const written = recordedHashes(parent, skill.name)
  const files = [...new Set([...skill.files.keys(), ...written.keys()])].map((path) => {
    const full = `${skill.name}/${path}`
    const action = obstacle(parent, full)
      ? 'changed'
      : actionOf(bytesAt(join(parent, full)), skill.files.get(path), written.get(path))
    return { path, action }
  })
  return { skill, parent, files: files.filter(({ path, action }) => skill.files.has(path) || action !== 'unchanged') }
}

/** Writes a file beside its place and moves it there, so that no reader sees half of it. */
const replaceFile = (path: string, bytes: Buffer | string, mode = 0o644): void => {
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}.new`
  writeFileSync(draft, bytes, { mode, flag: 'wx' })
  renameSync(draft, path)
}

/** Carries a plan out and records what it wrote. Replaces changed files too: the caller has decided that. */
export const carryOutPlan = ({ skill, parent, files }: SkillPlan): void => {
  for (const { path, action } of files) {
    if (action === 'unchanged') continue
    const full = `${skill.name}/${path}`
    const inTheWay = obstacle(parent, full)
    if (inTheWay) rmSync(inTheWay, { force: true }) // the link itself, never what it leads to
    const bytes = skill.files.get(path)
    if (bytes) replaceFile(join(parent, full), bytes, path.endsWith('.sh') ? 0o755 : 0o644)
    else rmSync(join(parent, full), { force: true })
  }
  const hashes = Object.fromEntries([...skill.files].map(([path, bytes]) => [path, hashOf(bytes)]))
  replaceFile(join(parent, skill.name, recordName), `${JSON.stringify({ version, files: hashes }, null, 2)}\n`)
}
