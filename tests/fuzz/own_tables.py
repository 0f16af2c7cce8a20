"""Small tables of one's own, in each format and with each kind of columns, with their images."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

USUAL = """id,patient,split,image,view,findings,impression,age,sex,Edema
s1,p1,train,a.png,pa,The lungs are clear.,Normal.,61,F,0
s1,p1,train,b.png,lateral,The lungs are clear.,Normal.,61,F,0
s2,p2,valid,c.png,ap,,Edema.,018M,male,1
s3,p3,test,d.png,,"Small, ""left"" effusion.",,,,-1
"""
PUBLISHED = """image,view,AP,PA,Lateral,text,text_augment,text_label
"['a.png', 'b.png']","['PA', 'Lateral']",[],['a.png'],['b.png'],"['Clear.', 'Normal.']","['Lungs clear.', 'Fine.']",
['c.png'],['AP'],['c.png'],[],[],,,"[['Edema'], ['Pneumothorax'], ['Cardiomegaly']]"
d.png,,,,,"It's ['odd'].",,"['Edema', None]"
"""
MAPPED = "key\tfront\tside\teff\ttext\n1\ta.png\tb.png\t1\tFINDINGS: Wet. IMPRESSION: Edema.\n2\tc.png\t\t0\tNormal.\n"
COLUMNS = """name: ours
id: key
images: {pa: front, lateral: [side]}
report: text
findings: {Pleural Effusion: eff}
prefix: ""
"""


def write_own_tables(raw: Path) -> None:
    """Write a.png to d.png, the tables, and a column map for those that are called "mapped"."""
    raw.mkdir(parents=True)
    rng = np.random.default_rng(2)
    for name in "abcd":
        cv2.imwrite(str(raw / f"{name}.png"), rng.integers(0, 256, (24, 20), dtype=np.uint8))
    (raw / "usual.csv").write_text(USUAL)
    (raw / "published.csv").write_text(PUBLISHED)
    (raw / "mapped.tsv").write_text(MAPPED)
    (raw / "columns.yaml").write_text(COLUMNS)
    lists = {
        "id": ["s1", "s2"],
        "images": [["a.png", "b.png"], ["c.png"]],
        "Edema": [1.0, None],
        "report": ["Wet."] * 2,
    }
    pq.write_table(pa.table(lists), raw / "lists.parquet")
