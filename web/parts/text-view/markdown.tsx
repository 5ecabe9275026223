import Md, { type Components } from 'react-markdown'
import gfm from 'remark-gfm'
import { visibleDirections } from '../../text/directions.ts'

/** A link says where it leads, and opens elsewhere without telling from where. */
const ownComponents: Components = {
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noreferrer noopener nofollow" title={href} className="text-accent underline">
      {children}
    </a>
  ),
  // Its headings are no headings of the page.
  h1: ({ children }) => <p className="font-semibold text-15">{children}</p>,
  h2: ({ children }) => <p className="font-semibold text-15">{children}</p>,
  h3: ({ children }) => <p className="font-semibold">{children}</p>,
  h4: ({ children }) => <p className="font-semibold">{children}</p>,
  h5: ({ children }) => <p className="font-semibold">{children}</p>,
  h6: ({ children }) => <p className="font-semibold">{children}</p>,
  ul: ({ children }) => <ul className="list-disc pl-5">{children}</ul>,
  ol: ({ children }) => <ol className="list-decimal pl-5">{children}</ol>,
  blockquote: ({ children }) => <blockquote className="border-line border-l-2 pl-3 text-muted">{children}</blockquote>,
  pre: ({ children }) => (
    <pre className="overflow-x-auto rounded-m border border-line bg-sunk p-2 font-mono text-12">{children}</pre>
  ),
  code: ({ children }) => <code className="font-mono text-12">{children}</code>,
  table: ({ children }) => (
    <div className="overflow-x-auto">
      <table className="border-collapse text-12">{children}</table>
    </div>
  ),
  th: ({ children }) => <th className="border border-line px-2 py-1 text-left font-medium">{children}</th>,
  td: ({ children }) => <td className="border border-line px-2 py-1">{children}</td>,
  hr: () => <hr className="border-line" />,
}

const disallowed = { always: ['input'], withoutImages: ['input', 'img'] }

interface MarkdownProps {
  text: string
  /** Shows some elements in another way. With one for `img` images are shown, and it decides from where. */
  components?: Components
}

/**
 * Markdown that does nothing: no HTML, no images of its own, since they would call somebody, and links only to http and
 * mail, which is what react-markdown lets through.
 */
const Markdown = ({ text, components }: MarkdownProps) => (
  <div className="flex flex-col gap-2 break-words">
    <Md
      remarkPlugins={[gfm]}
      disallowedElements={components?.img ? disallowed.always : disallowed.withoutImages}
      unwrapDisallowed
      skipHtml
      components={components ? { ...ownComponents, ...components } : ownComponents}
    >
      {visibleDirections(text)}
    </Md>
  </div>
)

export default Markdown
