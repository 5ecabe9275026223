import { addError, type CroissantCheck, type Subject } from './check.ts'
import { checkName, idOf } from './field.ts'
import type { FileModel } from './model.ts'
import { type PropertyRule, readProperty } from './property.ts'
import { referencesUnder } from './references.ts'
import { readSource } from './source.ts'

/** Whether a property has a first value that is accepted and is not empty. */
const requireText = (check: CroissantCheck, subject: Subject, rule: PropertyRule, fix: string): void => {
  const [value, second] = readProperty(check, subject, rule)
  if (value?.kind === 'literal' && (value.value !== '' || second)) return
  addError(check, subject, {
    rule: 'required',
    pointer: subject.node.properties.get(rule.iri)?.[0]?.pointer,
    message: `Property "${rule.iri}" is mandatory, but does not exist.`,
    fix,
  })
}

const encodingFix = 'Add "encodingFormat", the media type of the file, such as "text/csv".'

/** Reads a file object: a file that can be downloaded, or that is in another one. */
export const readFileObject = (check: CroissantCheck, subject: Subject): FileModel => {
  const { cr, sc, moved } = check.vocabulary
  checkName(check, subject)
  const containedIn = referencesUnder(check, subject, sc('containedIn'))
  requireText(check, subject, { iri: sc('encodingFormat'), key: 'encodingFormat', literals: ['Text'] }, encodingFix)
  const contentUrl: PropertyRule = { iri: sc('contentUrl'), key: 'contentUrl', literals: ['URL'] }
  if (containedIn.length > 0) readProperty(check, subject, contentUrl)
  else requireText(check, subject, contentUrl, 'Add "contentUrl", or "containedIn" for a file inside of another one.')
  readProperty(check, subject, { iri: sc('contentSize'), key: 'contentSize', literals: ['Text'] })
  readProperty(check, subject, { iri: sc('sameAs'), key: 'sameAs', literals: ['URL'], many: true })
  const sums = [
    ...readProperty(check, subject, { iri: moved('md5'), key: 'md5', literals: ['Text'] }),
    ...readProperty(check, subject, { iri: sc('sha256'), key: 'sha256', literals: ['Text'] }),
  ]
  if (containedIn.length === 0 && sums.length === 0 && !check.isLive) reportNoChecksum(check, subject)
  if (subject.node.properties.has(cr('source'))) readSource(check, subject, 'source')
  return { ...subject, id: idOf(check, subject.node), containedIn }
}

const reportNoChecksum = (check: CroissantCheck, subject: Subject): void =>
  addError(check, subject, {
    rule: 'checksum',
    message: "At least one of these properties should be defined: ['md5', 'sha256'].",
    fix: 'Add "sha256" with the hash of the file, or "isLiveDataset": true to a dataset whose files change.',
  })

/** Reads a file set: files of one kind in an archive or a folder. */
export const readFileSet = (check: CroissantCheck, subject: Subject): FileModel => {
  const { cr, sc } = check.vocabulary
  checkName(check, subject)
  requireText(
    check,
    subject,
    { iri: cr('includes'), key: 'includes', literals: ['Text'], many: true },
    'Add "includes" with a pattern of the files that belong to the set, such as "images/*.jpg".',
  )
  requireText(check, subject, { iri: sc('encodingFormat'), key: 'encodingFormat', literals: ['Text'] }, encodingFix)
  readProperty(check, subject, { iri: cr('excludes'), key: 'excludes', literals: ['Text'], many: true })
  return { ...subject, id: idOf(check, subject.node), containedIn: referencesUnder(check, subject, sc('containedIn')) }
}
