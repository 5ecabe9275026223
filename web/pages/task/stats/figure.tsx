/** A number with its name. */
export const Figure = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt className="text-12 text-muted">{name}</dt>
    <dd className="font-semibold text-15">{value}</dd>
  </div>
)
