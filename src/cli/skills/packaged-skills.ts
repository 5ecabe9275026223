import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parsedJson } from '../../lib/json/json-object.ts'

/** A skill of this package: a folder with SKILL.md, references and examples. */
export interface PackagedSkill {
  name: string
  description: string
  /** Bytes of each file by its path in the folder, with forward slashes. */
  files: ReadonlyMap<string, Buffer>
}

/** Below the package, beside both src and dist. */
const skillsFolder = fileURLToPath(new URL('../../../skills/', import.meta.url))

const filesBelow = (folder: string): Map<string, Buffer> => {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort()
  return new Map(paths.map((path) => [path.slice(folder.length + 1).replaceAll(sep, '/'), readFileSync(path)]))
}

/** The description of the front matter, which all our skills write as a quoted text. */
const descriptionOf = (text: string): string =>
  String(parsedJson(/^---\n[\s\S]*?^description: (".*")$/m.exec(text)?.[1] ?? '') ?? '')

/** Reads the skills that came with this package. */
export const readPackagedSkills = (): PackagedSkill[] =>
  readdirSync(skillsFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const files = filesBelow(join(skillsFolder, name))
      return { name, description: descriptionOf(files.get('SKILL.md')?.toString() ?? ''), files }
    })
