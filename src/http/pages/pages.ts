import type { Exchange } from '../exchange.ts'
import { acceptsGzip, jsonHeaders, Reply } from '../reply.ts'
import type { WebFile, WebFiles } from './read-web-files.ts'

/** The parts of a request that pages depend on. */
type PageRequest = Pick<Exchange, 'method' | 'target'> & { incoming: Pick<Exchange['incoming'], 'headers'> }

/** Answers browsers: the page, its files, and redirects from former addresses. */
export interface Pages {
  /** Before any route: a file, or the page at `/` for browsers. `segments` are the decoded parts of the path. */
  find(request: PageRequest, segments: readonly string[]): Reply | undefined
  /** Called when no route matches: returns the page for browsers, which shows what is at this address. */
  fallback(request: PageRequest, segments: readonly string[]): Reply | undefined
}

/** First segments below which a browser finds no page either. */
const apiWords = new Set(['api', 'v1', 'assets'])

const acceptsHtml = ({ incoming }: PageRequest): boolean => incoming.headers.accept?.includes('text/html') ?? false

const isRead = ({ method }: PageRequest): boolean => method === 'GET' || method === 'HEAD'

/** The documentation: its pages for browsers. Names with an ending are Markdown and drawings, which a route answers. */
const isDocsPage = (segments: readonly string[]): boolean => segments[0] === 'docs' && !segments.at(-1)?.includes('.')

const noAsset = new Reply('{"detail":"Not Found"}', jsonHeaders, 404)

const fileReply = (file: WebFile, { incoming }: PageRequest, vary: string): Reply => {
  const packed = acceptsGzip(incoming.headers) ? file.packed : undefined
  const encoding: Record<string, string> = packed ? { 'content-encoding': 'gzip' } : {}
  return new Reply(packed ?? file.bytes, { ...file.headers, ...encoding, vary }, 200)
}

/** `/trajectory/{collection}/{task}/{id}` is where other tools link to; the page has no first word. */
const redirectFrom = ({ target }: PageRequest, segments: readonly string[]): Reply | undefined => {
  const [first, ...rest] = segments
  if (first !== 'trajectory' || rest.length < 2 || rest.length > 3) return undefined
  const query = /\?[^#]*/.exec(target)?.[0] ?? ''
  const location = `/${rest.map(encodeURIComponent).join('/')}${query}`
  return new Reply(null, { location, 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' }, 302)
}

/** Makes what answers browsers from the built web. */
export const makePages = (files: WebFiles): Pages => {
  const page = (request: PageRequest): Reply | undefined => {
    const index = files.get('index.html')
    return index && fileReply(index, request, 'Accept, Accept-Encoding')
  }
  return {
    find(request, segments) {
      if (!isRead(request)) return undefined
      if (segments.length === 0) return acceptsHtml(request) ? page(request) : undefined
      const path = segments.join('/')
      const file = path === 'index.html' ? undefined : files.get(path)
      if (file) return fileReply(file, request, 'Accept-Encoding')
      if (isDocsPage(segments) && acceptsHtml(request)) return page(request)
      return segments[0] === 'assets' ? noAsset : undefined
    },
    fallback(request, segments) {
      if (!isRead(request) || apiWords.has(segments[0] ?? '')) return undefined
      return redirectFrom(request, segments) ?? (acceptsHtml(request) ? page(request) : undefined)
    },
  }
}
