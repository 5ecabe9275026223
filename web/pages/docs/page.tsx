import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { markdownHeadings } from '../../../src/lib/text/markdown-headings.ts'
import { useTitle } from '../../data/title.ts'
import { Problem } from '../../parts/problem.tsx'
import { Article } from './article.tsx'
import { DocsFrame } from './frame.tsx'
import { docPageQuery } from './queries.ts'

/** A page of the documentation. */
export const DocsPage = () => {
  const { folder, page: name } = useParams({ strict: false }) as { folder?: string; page?: string }
  const page = folder === undefined ? (name ?? 'README') : `${folder}/${name}`
  const { data: markdown, error } = useQuery(docPageQuery(page))
  useTitle(markdown === undefined ? undefined : markdownHeadings(markdown)[0]?.text, 'Documentation')
  return (
    <DocsFrame current={page}>
      {error && (
        <>
          <h1 className="font-semibold text-20">This page cannot be shown</h1>
          <Problem error={error} />
        </>
      )}
      {markdown !== undefined && <Article key={page} page={page} markdown={markdown} />}
    </DocsFrame>
  )
}
