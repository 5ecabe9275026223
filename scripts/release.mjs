// `npm run release -- 0.2.0`: makes a release. The version is written wherever it stands, the changelog gets a section of its own, and
// both are one commit with a tag; pushing the tag publishes (.github/workflows/release.yml). `notes 0.2.0` prints a section.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './prepare.mjs'

const fail = (message) => {
  console.error(`jetty: ${message}`)
  process.exit(1)
}
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
const read = (path) => readFileSync(join(root, path), 'utf8')
const numbers = (version) => /^(\d+)\.(\d+)\.(\d+)$/.exec(version)?.slice(1).map(Number)
const isLater = (one, other) => {
  const at = one.findIndex((number, index) => number !== other[index])
  return at >= 0 && one[at] > other[at]
}

/** The section of a version, without its heading. */
const notesOf = (changelog, version) => {
  const begin = changelog.indexOf(`\n## ${version}`)
  if (begin < 0) return undefined
  const text = changelog.slice(changelog.indexOf('\n', begin + 1) + 1)
  const end = text.indexOf('\n## ')
  return (end < 0 ? text : text.slice(0, end)).trim()
}

/** Files that name the version: in JSON of its own, in the name of the packed file, or as the tag of the image. */
const mentions = (version) => {
  const escaped = version.replaceAll('.', '\\.')
  return new RegExp(`("version": "|jetty-server-|jetty-server:|/jetty:)${escaped}(?!\\d|\\.\\d)`, 'g')
}

const [first, ...rest] = process.argv.slice(2)
const changelog = read('CHANGELOG.md')
if (first === 'notes') {
  const notes = notesOf(changelog, rest[0])
  if (notes === undefined) fail(`CHANGELOG.md has no section "## ${rest[0]}"`)
  console.log(notes)
  process.exit(0)
}

const { version: before } = JSON.parse(read('package.json'))
const wanted = numbers(first ?? '')
if (!wanted) fail('Name the new version: npm run release -- 0.2.0')
if (!isLater(wanted, numbers(before))) fail(`${first} is not later than ${before}, the version in package.json`)
if (git('status', '--porcelain') !== '') fail('The work tree has changes. Commit them first')
if (git('branch', '--show-current') !== 'main') fail('Releases are made on main')
const notes = notesOf(changelog, 'Unreleased')
if (!notes) fail('CHANGELOG.md has nothing under "## Unreleased"')

const files = git('ls-files').split('\n')
for (const path of files.filter(
  (path) => /\.(json|md|yaml)$/.test(path) && path !== 'CHANGELOG.md' && path !== 'package-lock.json',
)) {
  const text = read(path)
  const next = text.replace(mentions(before), (_, head) => `${head}${first}`)
  if (next !== text) writeFileSync(join(root, path), next)
}
const lock = JSON.parse(read('package-lock.json'))
lock.version = first
lock.packages[''].version = first
writeFileSync(join(root, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`)
const date = new Date().toISOString().slice(0, 10)
writeFileSync(
  join(root, 'CHANGELOG.md'),
  changelog.replace('\n## Unreleased\n', `\n## Unreleased\n\n## ${first} (${date})\n`),
)
git('commit', '--quiet', '--all', '--message', `release: ${first}`)
git('tag', '--annotate', `v${first}`, '--message', `Jetty ${first}`)
console.log(`Made the commit and the tag v${first}. Publish them with: git push --follow-tags`)
