import { plainLine } from '../../lib/text/markdown-headings.ts'
import type { DocMatch } from './contract.ts'
import type { DocLibrary, DocPage } from './library.ts'
import type { DocSection } from './sections.ts'

const mostWords = 10
const longestExcerpt = 160

/** Weight of a word by where it stands, and of all words one after the other. */
const weights = { title: 8, heading: 5, text: 1, phrase: 12 } as const

/** Occurrences that count: a section that repeats a word is not better for ever. */
const mostOccurrences = 5

const occurrences = (text: string, word: string): number => {
  let count = 0
  for (let at = text.indexOf(word); at >= 0 && count < mostOccurrences; at = text.indexOf(word, at + word.length))
    count++
  return count
}

/** Scores a section; 0 when a word is missing. */
const score = (page: DocPage, section: DocSection, words: readonly string[]): number => {
  const title = page.title.toLowerCase()
  const heading = section.heading?.toLowerCase() ?? ''
  const text = section.text.toLowerCase()
  let sum = 0
  for (const word of words) {
    const found =
      (title.includes(word) ? weights.title : 0) +
      (heading.includes(word) ? weights.heading : 0) +
      occurrences(text, word) * weights.text
    if (found === 0) return 0
    sum += found
  }
  return sum + (words.length > 1 && `${title}\n${heading}\n${text}`.includes(words.join(' ')) ? weights.phrase : 0)
}

/** The line around the first of the words. */
const excerptOf = ({ text }: DocSection, words: readonly string[]): string => {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*(```|\|[\s|:-]+\|$)/.test(line))
  const line = lines.find((one) => words.some((word) => one.toLowerCase().includes(word))) ?? lines[0] ?? ''
  const plain = plainLine(line.replace(/^\s*(\||[-*>]) ?/, '').replace(/\s*\|\s*/g, ' · ')).replace(/ ·$/, '')
  const at = Math.max(0, plain.toLowerCase().indexOf(words[0] ?? '') - 60)
  const cut = plain.slice(at, at + longestExcerpt)
  return `${at > 0 ? '…' : ''}${cut}${at + longestExcerpt < plain.length ? '…' : ''}`
}

/** Finds the sections that have all words of `q`, the best first, at most two of each page. Decisions come last. */
export const searchDocs = ({ pages }: DocLibrary, q: string, limit: number): DocMatch[] => {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean).slice(0, mostWords)
  if (words.length === 0) return []
  const scored = [...pages.values()].flatMap((page) =>
    page.sections
      .map((section) => ({ page, section, points: score(page, section, words) }))
      .filter(({ points }) => points > 0)
      .map((one) => (page.page.startsWith('decisions/') ? { ...one, points: one.points / 10 } : one))
      .sort((one, other) => other.points - one.points)
      .slice(0, 2),
  )
  return scored
    .sort((one, other) => other.points - one.points)
    .slice(0, limit)
    .map(({ page: { page, title }, section }) => ({
      ...{ page, title, heading: section.heading, anchor: section.anchor },
      excerpt: excerptOf(section, words),
    }))
}
