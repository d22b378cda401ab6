<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
<context>
    <name>FALSE</name>
    <message>
        <source>Learn an encoder from rasters without labels.</source>
        <translation>Lernt einen Encoder aus Rastern ohne Trainingsflächen.</translation>
    </message>
    <message>
        <source>FALSE is contrastive learning that finds its own false negatives (FNSD) and counts them as positives with a confidence weight (FNCC). The result is an encoder file, the input of fine-tuning. No labels are needed. Use the raster you want to map, and more of the same kind if you have them.</source>
        <translation>FALSE ist kontrastives Lernen, das seine falsch-negativen Paare selbst findet (FNSD) und sie mit einem Konfidenzgewicht als positiv zählt (FNCC). Das Ergebnis ist eine Encoder-Datei, die das Feintraining braucht. Trainingsflächen sind nicht nötig. Nehmen Sie das Raster, das Sie kartieren wollen, und weitere der gleichen Art, wenn Sie welche haben.</translation>
    </message>
    <message>
        <source>You may begin without it, as fine-tuning has a general encoder of its own. On an aerial image in red, green and blue, pretraining made maps better by 0.01 to 0.02 mIoU where there were few labels. With labels on 1 % of the image, and on another place, it brought nothing. To know for your image, fine-tune with and without the encoder file and compare the scores of the two reports.</source>
        <translation>Sie können ohne Vortraining beginnen, denn das Feintraining hat selbst einen allgemeinen Encoder. Auf einem Luftbild in Rot, Grün und Blau wurden Karten durch Vortraining um 0,01 bis 0,02 mIoU besser, wenn es wenige Trainingsflächen gab. Mit Trainingsflächen auf 1 % des Bildes und an einem anderen Ort brachte es nichts. Was es auf Ihrem Bild bringt, zeigt der Vergleich: Trainieren Sie mit und ohne Encoder-Datei, und vergleichen Sie die Werte in den beiden Berichten.</translation>
    </message>
    <message>
        <source>Rasters</source>
        <translation>Raster</translation>
    </message>
    <message>
        <source>One or more rasters of the same sensor: same bands in the same order. A name may stand for many rasters: a folder, a pattern such as tiles/**/*.tif, a text file with a path per line, or a STAC item, item collection or catalog on disk. Addresses such as /vsis3/bucket/a.tif are read where they are.</source>
        <translation>Ein oder mehrere Raster desselben Sensors: gleiche Kanäle in gleicher Reihenfolge. Ein Name kann für viele Raster stehen: ein Ordner, ein Muster wie tiles/**/*.tif, eine Textdatei mit einem Pfad je Zeile oder ein STAC-Item, eine Item-Collection oder ein Katalog auf der Platte. Was unter Adressen wie /vsis3/bucket/a.tif liegt, wird dort gelesen.</translation>
    </message>
    <message>
        <source>Encoder</source>
        <translation>Encoder</translation>
    </message>
    <message>
        <source>The encoder file to write.</source>
        <translation>Die Encoder-Datei, die geschrieben wird.</translation>
    </message>
    <message>
        <source>Bands</source>
        <translation>Kanäle</translation>
    </message>
    <message>
        <source>Bands to learn from, counted from 1. Empty: all bands but alpha. Fine-tuning and classifying use the same ones.</source>
        <translation>Kanäle, aus denen gelernt wird, ab 1 gezählt. Leer: alle außer Alpha. Feintraining und Klassifikation nehmen dieselben.</translation>
    </message>
    <message>
        <source>Extent</source>
        <translation>Ausdehnung</translation>
    </message>
    <message>
        <source>Learn only from this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: everything.</source>
        <translation>Nur aus diesem Teil lernen, als xmin,xmax,ymin,ymax, mit [EPSG:code], wenn er nicht im KBS des Rasters angegeben ist. Leer: alles.</translation>
    </message>
    <message>
        <source>Places</source>
        <translation>Orte</translation>
    </message>
    <message>
        <source>Learn only around these places, as Choose places to learn from collects them. Empty: everywhere.</source>
        <translation>Nur um diese Orte herum lernen, wie Lernorte auswählen sie sammelt. Leer: überall.</translation>
    </message>
    <message>
        <source>Preset</source>
        <translation>Voreinstellung</translation>
    </message>
    <message>
        <source>quick: minutes on a laptop without a GPU. standard: one GPU. paper: the published settings, many GPU hours. auto: standard on a GPU that pretrains with it in half an hour, as a test of two seconds finds; otherwise quick.</source>
        <translation>quick: Minuten auf einem Laptop ohne GPU. standard: eine GPU. paper: die veröffentlichten Einstellungen, viele GPU-Stunden. auto: standard auf einer GPU, die damit in einer halben Stunde vortrainiert, wie ein Test von zwei Sekunden zeigt; sonst quick.</translation>
    </message>
    <message>
        <source>Method</source>
        <translation>Methode</translation>
    </message>
    <message>
        <source>false is FALSE, the default. simclr, barlow_twins and pcl are what it is compared with. On the one scene that was measured maps from false were 0.002 to 0.011 mIoU better than those from simclr. glcnet, grass, gfcnet and rissnet are others by the same group. glcnet compares small windows and pretrains the decoder too; grass looks at the part of a patch that matters most; gfcnet does not push apart what is near and alike; rissnet pulls it together. moco takes negatives from earlier batches, for small batches. sticl does so too, and shows some patches in the colours of other places or dates, so that the encoder learns to see through light and season. last asks a student to say of any crop what its teacher says of the whole view, without negatives. last follows the abstract of its paper alone (Wang et al. 2022, doi 10.1109/LGRS.2022.3185088), and DINO; sticl the abstract and the published code (Huang et al. 2022, doi 10.1109/LGRS.2022.3173419). inpainting, colourisation and jigsaw hide something of a view and ask for it: from random weights and after 240 steps the encoder of colourisation classified 0.01 more of the areas correctly than one that was not trained; those of inpainting, jigsaw and last were not surely better. autoencoder is a control, and so is pca, which computes the filters of a network of its own and needs no weights. random does not train the encoder at all, which shows what pretraining adds.</source>
        <translation>false ist FALSE, die Vorgabe. simclr, barlow_twins und pcl sind die Methoden, mit denen es verglichen wird. Auf der einen Szene, die gemessen wurde, waren die Karten von false um 0,002 bis 0,011 mIoU besser als die von simclr. glcnet, grass, gfcnet und rissnet sind andere Methoden derselben Gruppe. glcnet vergleicht kleine Fenster und trainiert auch den Decoder vor; grass schaut auf den Teil eines Ausschnitts, auf den es am meisten ankommt; gfcnet schiebt nicht auseinander, was nah und ähnlich ist; rissnet zieht es zusammen. moco nimmt Negative aus früheren Batches, für kleine Batches. sticl tut das auch und zeigt manche Ausschnitte in den Farben anderer Orte oder Aufnahmetage, damit der Encoder lernt, durch Licht und Jahreszeit hindurchzusehen. last lässt einen Schüler von jedem Ausschnitt einer Ansicht sagen, was sein Lehrer von der ganzen sagt, ohne Negative. last folgt allein der Zusammenfassung des Aufsatzes (Wang et al. 2022, doi 10.1109/LGRS.2022.3185088) und DINO; sticl der Zusammenfassung und dem veröffentlichten Code (Huang et al. 2022, doi 10.1109/LGRS.2022.3173419). inpainting, colourisation und jigsaw verdecken etwas von einer Ansicht und fragen danach: mit zufälligen Gewichten und nach 240 Schritten klassifizierte der Encoder von colourisation 0,01 mehr der Flächen richtig als ein untrainierter; die von inpainting, jigsaw und last waren nicht sicher besser. autoencoder ist eine Kontrolle, ebenso pca, das die Filter eines eigenen Netzes berechnet und keine Gewichte braucht. random trainiert den Encoder gar nicht und zeigt so, was das Vortraining bringt.</translation>
    </message>
    <message>
        <source>Weights to start from</source>
        <translation>Anfangsgewichte</translation>
    </message>
    <message>
        <source>general: an encoder that others trained on photographs. For the preset quick it comes with the library; for the others it is downloaded, and where that fails that of quick is trained, unless a backbone is named. none: random weights. An encoder file of the same backbone and number of bands; a file with timm weights of the backbone (.safetensors, .pth, .pt, .bin), of any number of bands; or a name of timm weights, such as imagenet or resnet50.a1_in1k, which are downloaded. With the method random they become an encoder as they are. Empty: general, but none with the preset paper.</source>
        <translation>general: ein Encoder, den andere mit Fotos trainiert haben. Für die Voreinstellung Schnell (quick) liegt er der Bibliothek bei, für die anderen wird er heruntergeladen; gelingt das nicht, wird der von Schnell trainiert, sofern kein Backbone genannt ist. none: zufällige Gewichte. Eine Encoder-Datei mit demselben Backbone und ebenso vielen Kanälen; eine Datei mit timm-Gewichten des Backbones (.safetensors, .pth, .pt, .bin) mit beliebig vielen Kanälen; oder ein Name von timm-Gewichten wie imagenet oder resnet50.a1_in1k, die heruntergeladen werden. Mit der Methode random werden sie unverändert zum Encoder. Leer: general, bei der Voreinstellung paper none.</translation>
    </message>
    <message>
        <source>Keep</source>
        <translation>Behalten</translation>
    </message>
    <message>
        <source>What of the weights to start from stays as it is. nothing: all of them learn. norms: the layers that normalise stay. stride2, stride4, stride8 and stride16: all layers stay that the features at this stride, in pixels, and at finer ones depend on. That protects what a general encoder knows, and takes less time.</source>
        <translation>Was von den Gewichten, von denen ausgegangen wird, so bleibt, wie es ist. nothing: alle lernen. norms: die Schichten, die normalisieren, bleiben. stride2, stride4, stride8 und stride16: alle Schichten bleiben, von denen die Merkmale mit dieser Schrittweite in Pixeln und mit feineren abhängen. Das schützt, was ein allgemeiner Encoder weiß, und braucht weniger Zeit.</translation>
    </message>
    <message>
        <source>Stages</source>
        <translation>Stufen</translation>
    </message>
    <message>
        <source>A TOML file of several pretrainings that follow one another, each from the encoder of the one before, such as from general to special. A stage begins with a line [[stages]]. Below it may stand a title, and rasters, places, extent, method, keep, steps, batch_size, learning_rate and further parameters of this algorithm, with the values of the stage. What is not there is as it is here. Paths start at the folder of the file. Empty: one stage.</source>
        <translation>Eine TOML-Datei mit mehreren Vortrainings, die aufeinander folgen, jedes vom Encoder des vorigen aus, etwa vom Allgemeinen zum Besonderen. Eine Stufe beginnt mit einer Zeile [[stages]]. Darunter können ein Titel (title) stehen und rasters, places, extent, method, keep, steps, batch_size, learning_rate und weitere Parameter dieses Algorithmus mit den Werten der Stufe. Was dort nicht steht, ist wie hier. Pfade beginnen beim Ordner der Datei. Leer: eine Stufe.</translation>
    </message>
    <message>
        <source>Backbone</source>
        <translation>Backbone</translation>
    </message>
    <message>
        <source>The network that becomes the encoder, by its name in timm, for example resnet18 or convnext_tiny. Empty: from the preset.</source>
        <translation>Das Netz, das zum Encoder wird, mit seinem Namen in timm, zum Beispiel resnet18 oder convnext_tiny. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>Startwert des Zufalls</translation>
    </message>
    <message>
        <source>The same seed on the same CPU gives the same result. On a GPU it may differ a little each time.</source>
        <translation>Gleicher Startwert, gleiche CPU, gleiches Ergebnis. Auf einer GPU kann es jedes Mal ein wenig anders ausfallen.</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>Gerät</translation>
    </message>
    <message>
        <source>auto takes a GPU where there is a working one, unless the options or FALSE_DEVICE name a device, and says what it took. With cuda, cuda:1, mps or cpu the job fails where that device does not work.</source>
        <translation>auto nimmt eine GPU, wenn eine da ist und funktioniert, außer die Optionen oder FALSE_DEVICE nennen ein Gerät, und sagt, was es genommen hat. Mit cuda, cuda:1, mps oder cpu scheitert der Auftrag, wenn dieses Gerät nicht funktioniert.</translation>
    </message>
    <message>
        <source>Working pixel size</source>
        <translation>Pixelgröße der Berechnung</translation>
    </message>
    <message>
        <source>The raster is averaged to about this pixel size before anything else. Larger is faster and sees more surroundings; details smaller than a pixel are lost. Empty: the quick preset coarsens large rasters up to 4 times, but not beyond 2 m; the others keep the raster's own.</source>
        <translation>Das Raster wird vor allem anderen etwa auf diese Pixelgröße gemittelt. Größer ist schneller und sieht mehr Umgebung; was kleiner als ein Pixel ist, geht verloren. Leer: die Voreinstellung Schnell (quick) vergröbert große Raster bis zu 4-fach, aber nicht über 2 m; die anderen behalten die Pixelgröße des Rasters.</translation>
    </message>
    <message>
        <source>CRS units</source>
        <translation>Einheiten des KBS</translation>
    </message>
    <message>
        <source>Training steps</source>
        <translation>Trainingsschritte</translation>
    </message>
    <message>
        <source>Number of training steps. Empty: from the preset.</source>
        <translation>Zahl der Trainingsschritte. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Batch size</source>
        <translation>Batchgröße</translation>
    </message>
    <message>
        <source>Patches per step; each gives two views. Empty: from the preset.</source>
        <translation>Bildausschnitte je Schritt; jeder gibt zwei Ansichten. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Learning rate</source>
        <translation>Lernrate</translation>
    </message>
    <message>
        <source>The highest one; it rises in the first tenth of the steps and then falls. To go on from an encoder that is not to forget, take a tenth of the usual one. Empty: from the preset.</source>
        <translation>Die höchste; sie steigt im ersten Zehntel der Schritte und fällt dann. Um von einem Encoder auszugehen, der nicht vergessen soll, nehmen Sie ein Zehntel der üblichen. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Temperature</source>
        <translation>Temperatur</translation>
    </message>
    <message>
        <source>Temperature of the contrastive loss (tau). Lower looks harder at the nearest negatives. Empty: from the preset.</source>
        <translation>Temperatur der kontrastiven Verlustfunktion (tau). Niedriger achtet mehr auf die ähnlichsten Negative. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Search for false negatives</source>
        <translation>Suche nach falschen Negativen</translation>
    </message>
    <message>
        <source>Where and how many false negatives are looked for. published: as in the paper, one for each benchmark anchor, which mostly lies beside it. elsewhere: the 5 % of the places that look most like the anchor and are not of its own ground, for the surest quarter of the anchors. Empty: from the preset.</source>
        <translation>Wo und wie viele falsche Negative gesucht werden. published: wie im Artikel, eines je Vergleichsanker, das meist neben ihm liegt. elsewhere: die 5 % der Stellen, die dem Anker am ähnlichsten sind und nicht auf seinem Boden liegen, für das sicherste Viertel der Anker. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Similarity threshold</source>
        <translation>Schwelle der Ähnlichkeit</translation>
    </message>
    <message>
        <source>A patch whose two views are more alike than this is a benchmark anchor (T, Eq. 1) and looks for false negatives. With the search elsewhere, a share of the anchors is chosen instead where no threshold is given. Empty: from the preset.</source>
        <translation>Ein Ausschnitt, dessen zwei Ansichten einander ähnlicher sind, ist ein Vergleichsanker (T, Gl. 1) und sucht nach falschen Negativen. Bei der Suche elsewhere wird ohne Angabe einer Schwelle stattdessen ein Anteil der Anker gewählt. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Confidence weight</source>
        <translation>Konfidenzgewicht</translation>
    </message>
    <message>
        <source>How far a false negative found is trusted (alpha, Eqs. 4-6). 0: not at all, plain SimCLR. 1: fully. adaptive: each by how much all views of the two patches agree. Empty: from the preset.</source>
        <translation>Wie sehr einem gefundenen falschen Negativ vertraut wird (alpha, Gl. 4-6). 0: gar nicht, einfaches SimCLR. 1: ganz. adaptive: jedem so weit, wie alle Ansichten der beiden Ausschnitte übereinstimmen. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>False negatives per anchor</source>
        <translation>Falsche Negative je Anker</translation>
    </message>
    <message>
        <source>How many other patches are taken for the same land cover as a patch that is compared (an anchor). Empty: from the preset.</source>
        <translation>Wie viele andere Ausschnitte für dieselbe Landbedeckung gehalten werden wie ein Ausschnitt, der verglichen wird (ein Anker). Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>False negatives in other methods</source>
        <translation>Falsche Negative in anderen Methoden</translation>
    </message>
    <message>
        <source>A false negative is a patch that is pushed away from another one although both show the same land cover. With glcnet, grass, gfcnet or rissnet: find false negatives and count them as positives there too (FNSD and FNCC), with the similarity threshold and the confidence weight of FALSE. false always does so. Empty: from the preset.</source>
        <translation>Ein falsches Negativ ist ein Ausschnitt, der von einem anderen weggedrückt wird, obwohl beide dieselbe Landbedeckung zeigen. Mit glcnet, grass, gfcnet oder rissnet: auch dort falsche Negative finden und als Positive zählen (FNSD und FNCC), mit der Ähnlichkeitsschwelle und dem Konfidenzgewicht von FALSE. false tut das immer. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Neighbourhood</source>
        <translation>Nachbarschaft</translation>
    </message>
    <message>
        <source>With gfcnet or rissnet: how far around a place the ground counts as its neighbourhood. What lies in it and looks alike is taken for the same land cover. Empty: from the preset.</source>
        <translation>Mit gfcnet oder rissnet: wie weit um einen Ort der Boden als seine Nachbarschaft zählt. Was darin liegt und gleich aussieht, wird für dieselbe Landbedeckung gehalten. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>widths of a patch</source>
        <translation>Breiten eines Ausschnitts</translation>
    </message>
    <message>
        <source>Side of a window</source>
        <translation>Seitenlänge eines Fensters</translation>
    </message>
    <message>
        <source>With glcnet: side of the windows that are compared, at most half a patch. Empty: from the preset.</source>
        <translation>Mit glcnet: Seitenlänge der Fenster, die verglichen werden, höchstens ein halber Ausschnitt. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>pixels</source>
        <translation>Pixel</translation>
    </message>
    <message>
        <source>Length of the queue</source>
        <translation>Länge der Warteschlange</translation>
    </message>
    <message>
        <source>With moco, sticl or pcl: how many places of earlier batches are negatives. At least as many as a batch has. Empty: from the preset.</source>
        <translation>Bei moco, sticl oder pcl: wie viele Orte früherer Batches Negative sind. Mindestens so viele, wie ein Batch hat. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Rasters of other colours</source>
        <translation>Raster mit anderen Farben</translation>
    </message>
    <message>
        <source>Rasters of other dates, seasons or sensors with the same bands, of any place. With every method, one view of some patches is shown in their colours, by optimal transport, and is still to be recognised. Empty: with sticl, or where a share is given, the colours are those of other places of the rasters learned from.</source>
        <translation>Raster anderer Aufnahmetage, Jahreszeiten oder Sensoren mit denselben Bändern, von beliebigen Orten. Bei jeder Methode wird eine Ansicht mancher Ausschnitte in ihren Farben gezeigt, durch optimalen Transport, und soll doch wiedererkannt werden. Leer: Bei sticl, oder wo ein Anteil angegeben ist, sind es die Farben anderer Orte der Raster, aus denen gelernt wird.</translation>
    </message>
    <message>
        <source>Share of patches in other colours</source>
        <translation>Anteil der Ausschnitte in anderen Farben</translation>
    </message>
    <message>
        <source>With every method. Empty: 0.1 with sticl or with rasters of other colours, otherwise 0.</source>
        <translation>Bei jeder Methode. Leer: 0,1 bei sticl oder mit Rastern mit anderen Farben, sonst 0.</translation>
    </message>
    <message>
        <source>Raster of the true classes</source>
        <translation>Raster der wahren Klassen</translation>
    </message>
    <message>
        <source>Optional, and only for those who study the method: a raster that says what is really where. The report then shows how often the false negatives that were found are of the same class. It does not take part in the learning.</source>
        <translation>Auf Wunsch, und nur für Leute, die das Verfahren untersuchen: ein Raster, das sagt, was wirklich wo ist. Der Bericht zeigt dann, wie oft die gefundenen falschen Negative von derselben Klasse sind. Am Lernen nimmt es nicht teil.</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>Bericht</translation>
    </message>
    <message>
        <source>HTML report with curves, settings and pictures of what was learned.</source>
        <translation>HTML-Bericht mit Kurven, Einstellungen und Bildern dessen, was gelernt wurde.</translation>
    </message>
    <message>
        <source>Final loss</source>
        <translation>Verlust am Ende</translation>
    </message>
    <message>
        <source>Steps trained</source>
        <translation>Trainierte Schritte</translation>
    </message>
    <message>
        <source>Choose the places of many rasters that pretraining learns from.</source>
        <translation>Die Orte vieler Raster auswählen, von denen das Vortraining lernt.</translation>
    </message>
    <message>
        <source>An archive holds far more fields than harbours, and most of its patches look like others. This collects squares that are varied, apart from each other and in balance over the classes of map data, such as land-cover polygons or an extract of OpenStreetMap as a GeoPackage. Map data only says where to look: none of it becomes a label. Without map data the squares are varied by what an encoder sees. Pretraining takes the layer as its places.</source>
        <translation>Ein Archiv enthält weit mehr Felder als Häfen, und die meisten Ausschnitte sehen aus wie andere. Hier werden Quadrate gesammelt, die verschieden sind, voneinander Abstand halten und ausgewogen sind über die Klassen von Kartendaten, etwa von Landbedeckungspolygonen oder einem Auszug aus OpenStreetMap als GeoPackage. Kartendaten sagen nur, wohin geschaut wird: nichts davon wird zu einem Label. Ohne Kartendaten sind die Quadrate verschieden nach dem, was ein Encoder sieht. Das Vortraining nimmt den Layer als seine Orte.</translation>
    </message>
    <message>
        <source>Maps show more in towns than elsewhere, and they can be old or wrong. Look at the counts of the classes and at some of the squares before you pretrain for hours.</source>
        <translation>Karten zeigen in Städten mehr als anderswo, und sie können alt oder falsch sein. Sehen Sie sich die Anzahlen der Klassen und einige der Quadrate an, bevor Sie stundenlang vortrainieren.</translation>
    </message>
    <message>
        <source>The layer to write: squares with their number, the class of the map data and the raster.</source>
        <translation>Der Layer, der geschrieben wird: Quadrate mit ihrer Nummer, der Klasse der Kartendaten und dem Raster.</translation>
    </message>
    <message>
        <source>Map data</source>
        <translation>Kartendaten</translation>
    </message>
    <message>
        <source>Points, lines or polygons with a class field that say what is where. On the command line raw OpenStreetMap files, .osm and .pbf, are refused: save their layer as a GeoPackage, or set FALSE_DRIVERS=OSM. Empty: the squares are chosen by what an encoder sees.</source>
        <translation>Punkte, Linien oder Polygone mit einem Klassenfeld, die sagen, was wo ist. Auf der Befehlszeile werden rohe Dateien von OpenStreetMap, .osm und .pbf, abgelehnt: Speichern Sie deren Layer als GeoPackage, oder setzen Sie FALSE_DRIVERS=OSM. Leer: die Quadrate werden danach gewählt, was ein Encoder sieht.</translation>
    </message>
    <message>
        <source>Class field of the map data</source>
        <translation>Klassenfeld der Kartendaten</translation>
    </message>
    <message>
        <source>The field that holds the classes. Empty values are left out.</source>
        <translation>Das Feld mit den Klassen. Leere Werte werden ausgelassen.</translation>
    </message>
    <message>
        <source>Number of places</source>
        <translation>Anzahl</translation>
    </message>
    <message>
        <source>How many squares to collect, with those so far.</source>
        <translation>Wie viele Quadrate gesammelt werden, die bisherigen mitgezählt.</translation>
    </message>
    <message>
        <source>Side of a place</source>
        <translation>Seite eines Orts</translation>
    </message>
    <message>
        <source>Views for pretraining are cut out around a place. Empty: 128 pixels of the first raster. The side is measured on the ground; where the CRS does not tell metres, in the raster's own units.</source>
        <translation>Die Ansichten für das Vortraining werden um einen Ort herum ausgeschnitten. Leer: 128 Pixel des ersten Rasters. Die Seite wird am Boden gemessen; wo das KBS keine Meter angibt, in den eigenen Einheiten des Rasters.</translation>
    </message>
    <message>
        <source>m</source>
        <translation>m</translation>
    </message>
    <message>
        <source>Least distance</source>
        <translation>Mindestabstand</translation>
    </message>
    <message>
        <source>Between the middles of two places. It is halved, twice at most, for a class that has no room. Empty: the side of a place.</source>
        <translation>Zwischen den Mitten zweier Orte. Für eine Klasse, die keinen Platz hat, wird er halbiert, höchstens zweimal. Leer: die Seite eines Orts.</translation>
    </message>
    <message>
        <source>Shares of classes</source>
        <translation>Anteile der Klassen</translation>
    </message>
    <message>
        <source>0: as many places of each class as of any other. 1: in the shares in which they are found. Between, rare classes get more than their share. Without map data, groups of places that look alike stand for classes.</source>
        <translation>0: von jeder Klasse so viele Orte wie von jeder anderen. 1: in den Anteilen, in denen sie gefunden werden. Dazwischen bekommen seltene Klassen mehr als ihren Anteil. Ohne Kartendaten stehen Gruppen von Orten, die sich gleichen, für Klassen.</translation>
    </message>
    <message>
        <source>Choice</source>
        <translation>Auswahl</translation>
    </message>
    <message>
        <source>chance: places of a class are drawn at random, all over the rasters. features: each is as unlike those before it as can be, to an encoder. gradients: those are taken that stand for most others by what they would teach the encoder. auto: chance with map data, features without.</source>
        <translation>chance: Orte einer Klasse werden zufällig gezogen, überall auf den Rastern. features: jeder ist für einen Encoder denen vor ihm so unähnlich wie möglich. gradients: genommen werden die, die nach dem, was sie den Encoder lehren würden, für die meisten anderen stehen. auto: chance mit Kartendaten, features ohne.</translation>
    </message>
    <message>
        <source>The encoder file that looks at places, for features and gradients. Empty: the general encoder.</source>
        <translation>Die Encoderdatei, die sich die Orte ansieht, für features und gradients. Leer: der allgemeine Encoder.</translation>
    </message>
    <message>
        <source>Places so far</source>
        <translation>Bisherige Orte</translation>
    </message>
    <message>
        <source>They are kept and count towards the number, the shares and the distance.</source>
        <translation>Sie bleiben und zählen für die Anzahl, die Anteile und den Abstand mit.</translation>
    </message>
    <message>
        <source>Bands to look at, counted from 1. Empty: all bands but alpha.</source>
        <translation>Bänder, die angesehen werden, ab 1 gezählt. Leer: alle Bänder außer Alpha.</translation>
    </message>
    <message>
        <source>Choose places only in this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: everywhere.</source>
        <translation>Nur in diesem Teil Orte auswählen, als xmin,xmax,ymin,ymax, mit [EPSG:code], wo er nicht im KBS des Rasters steht. Leer: überall.</translation>
    </message>
    <message>
        <source>HTML report with the places on the rasters, pictures of some, and how many of each class and raster were wanted and collected.</source>
        <translation>HTML-Bericht mit den Orten auf den Rastern, Bildern einiger Orte, und wie viele jeder Klasse und jedes Rasters gewünscht und gesammelt wurden.</translation>
    </message>
    <message>
        <source>Places collected</source>
        <translation>Gesammelte Orte</translation>
    </message>
    <message>
        <source>Classes among them</source>
        <translation>Klassen darunter</translation>
    </message>
    <message>
        <source>Train a land-cover model from a few labels, with an encoder of your own if you have one.</source>
        <translation>Trainiert ein Landbedeckungsmodell aus wenigen Trainingsflächen, mit einem eigenen Encoder, falls Sie einen haben.</translation>
    </message>
    <message>
        <source>Digitise about 1 % of the raster as polygons, lines or points with a class field. Labels are held out in turn, in whole blocks of space, to score the model; it learns from all of them. The result is one model file with everything that classifying needs.</source>
        <translation>Digitalisieren Sie etwa 1 % des Rasters als Polygone, Linien oder Punkte mit einem Klassenfeld. Reihum wird ein Teil davon, in ganzen räumlichen Blöcken, zurückgehalten, um das Modell zu bewerten; es lernt aus allen. Das Ergebnis ist eine einzige Modelldatei mit allem, was die Klassifikation braucht.</translation>
    </message>
    <message>
        <source>Raster</source>
        <translation>Raster</translation>
    </message>
    <message>
        <source>The raster the labels were digitised on. It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster.</source>
        <translation>Das Raster, auf dem die Trainingsflächen digitalisiert wurden. Es kann eine Datei, eine Adresse wie /vsis3/bucket/a.tif oder ein STAC-Item mit einem Raster sein.</translation>
    </message>
    <message>
        <source>Labels</source>
        <translation>Trainingsflächen</translation>
    </message>
    <message>
        <source>Polygons, lines or points with a class field. About 1 % of the area is a good start. They are reprojected to the raster where needed.</source>
        <translation>Polygone, Linien oder Punkte mit einem Klassenfeld. Etwa 1 % der Fläche ist ein guter Anfang. Wo nötig, werden sie in das KBS des Rasters umprojiziert.</translation>
    </message>
    <message>
        <source>Class field</source>
        <translation>Klassenfeld</translation>
    </message>
    <message>
        <source>Whole numbers from 0 to 254 keep their codes on the map, also where they are kept as text. Anything else gets codes 1, 2, 3... in sorted order. Empty values are left out. In QGIS it may be left out: then it is the field that the layer is styled by.</source>
        <translation>Ganze Zahlen von 0 bis 254 behalten ihre Codes auf der Karte, auch wo sie als Text gespeichert sind. Alles andere bekommt die Codes 1, 2, 3... in sortierter Reihenfolge. Leere Werte werden ausgelassen. In QGIS darf es fehlen: dann ist es das Feld, nach dem der Layer gestaltet ist.</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>Modell</translation>
    </message>
    <message>
        <source>The model file to write. It keeps crops of the raster around labels, for maps in int8.</source>
        <translation>Die Modelldatei, die geschrieben wird. Sie enthält Ausschnitte des Rasters um Labels, für Karten in int8.</translation>
    </message>
    <message>
        <source>Encoder file from pretraining. Empty: the general encoder alone. With one, both are used.</source>
        <translation>Encoder-Datei aus dem Vortraining. Leer: nur der allgemeine Encoder. Mit einer Datei werden beide verwendet.</translation>
    </message>
    <message>
        <source>Head</source>
        <translation>Kopf</translation>
    </message>
    <message>
        <source>What tells classes apart. linear: a linear classifier on the features of frozen encoders, at several pixel sizes. texture: one on local means and standard deviations of the bands. network: a decoder that is trained, with the encoder; it takes far longer. auto: linear with texture, texture, the pixels' own values and their combinations are compared by cross-validation over the labels, and the best is kept.</source>
        <translation>Was die Klassen unterscheidet. linear: ein linearer Klassifikator auf den Merkmalen eingefrorener Encoder, bei mehreren Pixelgrößen. texture: einer auf örtlichen Mittelwerten und Standardabweichungen der Kanäle. network: ein Decoder, der mit dem Encoder trainiert wird; das dauert weit länger. auto: linear mit texture, texture, die Werte der Pixel selbst und ihre Kombinationen werden durch Kreuzvalidierung über die Trainingsflächen verglichen, und das Beste wird behalten.</translation>
    </message>
    <message>
        <source>Bands to use, counted from 1. Empty: those of the encoder, or all but alpha.</source>
        <translation>Kanäle, die verwendet werden, ab 1 gezählt. Leer: die des Encoders, oder alle außer Alpha.</translation>
    </message>
    <message>
        <source>The network that becomes the encoder, by its name in timm, for example resnet18 or convnext_tiny. Empty: the general encoder, and with the head network that of the preset.</source>
        <translation>Das Netz, das zum Encoder wird, mit seinem Namen in timm, zum Beispiel resnet18 oder convnext_tiny. Leer: der allgemeine Encoder, beim Kopf network das der Voreinstellung.</translation>
    </message>
    <message>
        <source>Number of training steps of the head network. Empty: from the preset.</source>
        <translation>Zahl der Trainingsschritte des Kopfs network. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Freeze the encoder</source>
        <translation>Encoder einfrieren</translation>
    </message>
    <message>
        <source>With the head network: train the decoder only, as in the paper. Otherwise the encoder is trained through after a first phase. Other heads never change it. Empty: from the preset.</source>
        <translation>Mit dem Kopf network: nur den Decoder trainieren, wie in der Veröffentlichung. Sonst wird der Encoder nach einer ersten Phase mittrainiert. Andere Köpfe ändern ihn nie. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>General encoder</source>
        <translation>Allgemeiner Encoder</translation>
    </message>
    <message>
        <source>general: an encoder that others trained on photographs, which comes with the library. none: the encoder file alone. Without either, heads look at colours and texture, and the head network starts from nothing.</source>
        <translation>general: ein Encoder, den andere mit Fotos trainiert haben und der der Bibliothek beiliegt. none: nur die Encoder-Datei. Ohne beides sehen die Köpfe Farben und Textur an, und der Kopf network beginnt mit nichts.</translation>
    </message>
    <message>
        <source>Smoothing</source>
        <translation>Glättung</translation>
    </message>
    <message>
        <source>Standard deviation of the window in which the probabilities of classes are averaged. 0: none. Not for the head network.</source>
        <translation>Standardabweichung des Fensters, in dem die Wahrscheinlichkeiten der Klassen gemittelt werden. 0: keine Glättung. Nicht für den Kopf network.</translation>
    </message>
    <message>
        <source>Learn from pixels without a label</source>
        <translation>Auch von unmarkierten Pixeln lernen</translation>
    </message>
    <message>
        <source>Fit heads once more, to the labels and to those pixels of the raster that they are surest about, and let them lean to classes that cover much of it. It makes better maps of this raster. Turn it off for a model that is to map other rasters, where classes are common that this one hardly shows. Not for the head network.</source>
        <translation>Köpfe werden noch einmal angepasst: an die Trainingsflächen und an die Pixel des Rasters, bei denen sie sich am sichersten sind. Außerdem neigen sie dann zu Klassen, die viel davon bedecken. Karten dieses Rasters werden davon besser. Schalten Sie es aus für ein Modell, das andere Raster kartieren soll, auf denen Klassen häufig sind, die dieses kaum zeigt. Nicht für den Kopf network.</translation>
    </message>
    <message>
        <source>Share of labels held out</source>
        <translation>Zurückgehaltener Anteil</translation>
    </message>
    <message>
        <source>Share of the labels that score a head network before they train it too. 0: no score. Other heads are scored by cross-validation over all labels.</source>
        <translation>Anteil der Trainingsflächen, die einen Kopf network bewerten, bevor auch sie ihn trainieren. 0: keine Bewertung. Andere Köpfe werden durch Kreuzvalidierung über alle Trainingsflächen bewertet.</translation>
    </message>
    <message>
        <source>HTML report with scores, curves and settings.</source>
        <translation>HTML-Bericht mit Bewertung, Kurven und Einstellungen.</translation>
    </message>
    <message>
        <source>Overall accuracy and its limits, or: unknown</source>
        <translation>Gesamtgenauigkeit und ihre Grenzen, oder: unknown (unbekannt)</translation>
    </message>
    <message>
        <source>Overall accuracy</source>
        <translation>Gesamtgenauigkeit</translation>
    </message>
    <message>
        <source>Lower limit of the overall accuracy (95 %)</source>
        <translation>Untere Grenze der Gesamtgenauigkeit (95 %)</translation>
    </message>
    <message>
        <source>Upper limit of the overall accuracy (95 %)</source>
        <translation>Obere Grenze der Gesamtgenauigkeit (95 %)</translation>
    </message>
    <message>
        <source>Mean intersection over union</source>
        <translation>Mittlere Schnittmenge durch Vereinigung (mIoU)</translation>
    </message>
    <message>
        <source>Mean class accuracy</source>
        <translation>Mittlere Klassengenauigkeit</translation>
    </message>
    <message>
        <source>Cohen's kappa</source>
        <translation>Cohens Kappa</translation>
    </message>
    <message>
        <source>Make a land-cover map of a raster with a model.</source>
        <translation>Macht mit einem Modell aus einem Raster eine Landbedeckungskarte.</translation>
    </message>
    <message>
        <source>The raster is classified tile by tile with overlap, and the overlaps are blended, so there are no seams. Nodata stays nodata. The map carries class names and colours. The raster needs the bands the model was made for.</source>
        <translation>Das Raster wird Kachel für Kachel mit Überlappung klassifiziert, und die Überlappungen werden überblendet, so dass keine Nähte bleiben. Nodata bleibt Nodata. Die Karte trägt Namen und Farben der Klassen. Das Raster braucht die Kanäle, für die das Modell gemacht wurde.</translation>
    </message>
    <message>
        <source>Small regions stay in the map. Map to polygons and Hand in a map have a minimum area (minimum mapping unit), below which a region becomes part of its neighbour; Sieve of QGIS does so with the pixels of the map.</source>
        <translation>Kleine Gebiete bleiben in der Karte. „Karte zu Polygonen“ und „Eine Karte abgeben“ haben eine Mindestfläche (minimum mapping unit), unter der ein Gebiet Teil seines Nachbarn wird; „Sieben“ von QGIS macht das mit den Pixeln der Karte.</translation>
    </message>
    <message>
        <source>The raster to classify. It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster.</source>
        <translation>Das Raster, das klassifiziert wird. Es kann eine Datei, eine Adresse wie /vsis3/bucket/a.tif oder ein STAC-Item mit einem Raster sein.</translation>
    </message>
    <message>
        <source>Model file from fine-tuning.</source>
        <translation>Modelldatei aus dem Feintraining.</translation>
    </message>
    <message>
        <source>Classified raster</source>
        <translation>Klassifiziertes Raster</translation>
    </message>
    <message>
        <source>The map to write: one Byte band with class codes. A name that ends in .vrt makes tiles: for a very large map.</source>
        <translation>Die Karte, die geschrieben wird: ein Byte-Kanal mit Klassencodes. Ein Name, der auf .vrt endet, ergibt Kacheln: für eine sehr große Karte.</translation>
    </message>
    <message>
        <source>Classify only this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: everything.</source>
        <translation>Nur diesen Teil klassifizieren, als xmin,xmax,ymin,ymax, mit [EPSG:code], wenn er nicht im KBS des Rasters angegeben ist. Leer: alles.</translation>
    </message>
    <message>
        <source>Confidence</source>
        <translation>Sicherheit</translation>
    </message>
    <message>
        <source>Optional second raster: the probability of the chosen class in percent, 255 for nodata.</source>
        <translation>Optionales zweites Raster: die Wahrscheinlichkeit der gewählten Klasse in Prozent, 255 für Nodata.</translation>
    </message>
    <message>
        <source>HTML report with the map beside the raster, the area of each class, and the model.</source>
        <translation>HTML-Bericht mit der Karte neben dem Raster, der Fläche jeder Klasse und dem Modell.</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>Genauigkeit</translation>
    </message>
    <message>
        <source>The numbers that the network computes with. auto: short ones where a GPU was built for them, or a CPU and the head is network, unless FALSE_PRECISION says float32. They are faster, and few pixels get another class. float32: long ones, with which all computers make the same map but for rounding. int8: a fast map on a CPU. The network of the model takes about a third of the time, and 1 to 3 % of the pixels get another class. The report compares the two on labels that the model learned from, which is not the accuracy of the map.</source>
        <translation>Die Zahlen, mit denen das Netz rechnet. auto: kurze, wenn eine GPU dafür gebaut ist, oder eine CPU und der Kopf network ist, außer FALSE_PRECISION sagt float32. Sie sind schneller, und wenige Pixel bekommen eine andere Klasse. float32: lange, mit denen alle Rechner bis auf Rundung dieselbe Karte machen. int8: eine schnelle Karte auf einer CPU. Das Netz des Modells braucht etwa ein Drittel der Zeit, und 1 bis 3 % der Pixel bekommen eine andere Klasse. Der Bericht vergleicht beide auf Labels, von denen das Modell gelernt hat; das ist nicht die Genauigkeit der Karte.</translation>
    </message>
    <message>
        <source>Pixels classified</source>
        <translation>Klassifizierte Pixel</translation>
    </message>
    <message>
        <source>Make a land-cover map of each of many rasters with one model.</source>
        <translation>Erstellt mit einem Modell von jedem vieler Raster eine Landbedeckungskarte.</translation>
    </message>
    <message>
        <source>The maps go into a folder of their own; that of field.tif is called field_classified.tif, or north_field_classified.tif where rasters of that name lie in the folder north and in another one. Each is made as Classify a raster makes it. A raster that does not fit the model is left out with a warning. Maps that are complete stay when the run is cancelled.</source>
        <translation>Die Karten kommen in einen eigenen Ordner; die von field.tif heißt field_classified.tif, oder north_field_classified.tif, wo Raster dieses Namens im Ordner north und in einem anderen liegen. Jede entsteht so wie mit „Ein Raster klassifizieren“. Ein Raster, das nicht zum Modell passt, wird mit einer Warnung ausgelassen. Fertige Karten bleiben, wenn der Lauf abgebrochen wird.</translation>
    </message>
    <message>
        <source>The rasters to classify. They need the bands the model was made for. A name may stand for many rasters: a folder, a pattern such as tiles/**/*.tif, a text file with a path per line, or a STAC item, item collection or catalog on disk. Addresses such as /vsis3/bucket/a.tif are read where they are.</source>
        <translation>Die zu klassifizierenden Raster. Sie brauchen die Kanäle, für die das Modell gemacht ist. Ein Name kann für viele Raster stehen: ein Ordner, ein Muster wie tiles/**/*.tif, eine Textdatei mit einem Pfad je Zeile oder ein STAC-Item, eine Item-Collection oder ein Katalog auf der Platte. Was unter Adressen wie /vsis3/bucket/a.tif liegt, wird dort gelesen.</translation>
    </message>
    <message>
        <source>Folder for the maps</source>
        <translation>Ordner für die Karten</translation>
    </message>
    <message>
        <source>The folder is made where it does not exist.</source>
        <translation>Der Ordner wird angelegt, wenn es ihn nicht gibt.</translation>
    </message>
    <message>
        <source>Maps made</source>
        <translation>Erstellte Karten</translation>
    </message>
    <message>
        <source>Rasters left out</source>
        <translation>Ausgelassene Raster</translation>
    </message>
    <message>
        <source>Show what the encoder sees: its features all over a raster, as colours or as numbers.</source>
        <translation>Zeigt, was der Encoder sieht: seine Merkmale über ein ganzes Raster, als Farben oder als Zahlen.</translation>
    </message>
    <message>
        <source>What looks alike to the encoder gets a similar colour. Where land cover that differs has the same colour, a model made from this encoder will have a hard time. The features are coarser than the raster: a pixel of the result covers 4 x 4 pixels of the size that the model works on. Features as numbers are an input for other classifiers.</source>
        <translation>Was für den Encoder gleich aussieht, bekommt eine ähnliche Farbe. Wo verschiedene Landbedeckung die gleiche Farbe hat, wird es ein Modell aus diesem Encoder schwer haben. Die Merkmale sind gröber als das Raster: ein Pixel des Ergebnisses deckt 4 x 4 Pixel der Größe, mit der das Modell rechnet. Merkmale als Zahlen sind Eingabe für andere Klassifikatoren.</translation>
    </message>
    <message>
        <source>The raster to look at. It needs the bands the model was made for. It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster.</source>
        <translation>Das Raster, das betrachtet wird. Es braucht die Kanäle, für die das Modell gemacht wurde. Es kann eine Datei, eine Adresse wie /vsis3/bucket/a.tif oder ein STAC-Item mit einem Raster sein.</translation>
    </message>
    <message>
        <source>An encoder file from pretraining, or a model file from fine-tuning.</source>
        <translation>Eine Encoder-Datei aus dem Vortraining oder eine Modelldatei aus dem Feintraining.</translation>
    </message>
    <message>
        <source>Features</source>
        <translation>Merkmale</translation>
    </message>
    <message>
        <source>The raster to write: a GeoTIFF with a band per component. Its pixels are four times as wide as those the model works on.</source>
        <translation>Das Raster, das geschrieben wird: ein GeoTIFF mit einem Kanal je Komponente. Seine Pixel sind viermal so breit wie die, mit denen das Modell rechnet.</translation>
    </message>
    <message>
        <source>Components</source>
        <translation>Komponenten</translation>
    </message>
    <message>
        <source>3: the first three principal components of the features as red, green and blue (Byte, nodata 0). Another number: as many components (Float32, nodata NaN). 0: all features as they are, which makes a large file.</source>
        <translation>3: die ersten drei Hauptkomponenten der Merkmale als Rot, Grün und Blau (Byte, Nodata 0). Eine andere Zahl: so viele Komponenten (Float32, Nodata NaN). 0: alle Merkmale, wie sie sind; das gibt eine große Datei.</translation>
    </message>
    <message>
        <source>Look only at this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: everything.</source>
        <translation>Nur diesen Teil betrachten, als xmin,xmax,ymin,ymax, mit [EPSG:code], wenn er nicht im KBS des Rasters angegeben ist. Leer: alles.</translation>
    </message>
    <message>
        <source>Bands written</source>
        <translation>Geschriebene Kanäle</translation>
    </message>
    <message>
        <source>Share of variance explained</source>
        <translation>Erklärter Anteil der Varianz</translation>
    </message>
    <message>
        <source>Pixel size written, in CRS units</source>
        <translation>Geschriebene Pixelgröße, in Einheiten des KBS</translation>
    </message>
    <message>
        <source>Give each area of a raster a class, from a few areas whose class is known.</source>
        <translation>Gibt jeder Fläche eines Rasters eine Klasse, aus wenigen Flächen, deren Klasse bekannt ist.</translation>
    </message>
    <message>
        <source>Areas are the cells of a grid, parcels, blocks or other polygons. What the encoder sees in an area is averaged to one list of numbers, and a classifier is fitted to those of the labelled areas in seconds. Areas may overlap, have several parts and be smaller than a pixel; those without a valid pixel get no class. An area with a label keeps its class. Memory grows with the number of areas, by about 1 KB for each.</source>
        <translation>Flächen sind die Zellen eines Gitters, Flurstücke, Blöcke oder andere Polygone. Was der Encoder in einer Fläche sieht, wird zu einer Liste von Zahlen gemittelt, und in Sekunden wird ein Klassifikator an die der bekannten Flächen angepasst. Flächen dürfen sich überlappen, mehrere Teile haben und kleiner als ein Pixel sein; solche ohne gültiges Pixel bekommen keine Klasse. Eine Fläche, deren Klasse angegeben ist, behält sie. Der Speicher wächst mit der Zahl der Flächen, um etwa 1 KB für jede.</translation>
    </message>
    <message>
        <source>The raster that the areas lie on. It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster.</source>
        <translation>Das Raster, auf dem die Flächen liegen. Es kann eine Datei sein, eine Adresse wie /vsis3/bucket/a.tif oder ein STAC-Item mit einem Raster.</translation>
    </message>
    <message>
        <source>Classified areas</source>
        <translation>Klassifizierte Flächen</translation>
    </message>
    <message>
        <source>The layer to write: the areas with their own fields, and class, confidence in percent, and second, the next likeliest class. The ending says the format.</source>
        <translation>Der Layer, der geschrieben wird: die Flächen mit ihren eigenen Feldern und class, confidence (die Sicherheit in Prozent) und second, der nächstwahrscheinlichen Klasse. Die Endung bestimmt das Format.</translation>
    </message>
    <message>
        <source>Areas</source>
        <translation>Flächen</translation>
    </message>
    <message>
        <source>Polygons, each of which gets a class. Their fields are kept. Give these or the side of a cell.</source>
        <translation>Polygone, von denen jedes eine Klasse bekommt. Ihre Felder bleiben. Geben Sie diese oder die Seite einer Zelle an.</translation>
    </message>
    <message>
        <source>Side of a cell</source>
        <translation>Seite einer Zelle</translation>
    </message>
    <message>
        <source>Makes the areas: squares of this side, from the upper left corner of the raster on. The side is measured on the ground; where the CRS does not tell metres, in the raster's own units.</source>
        <translation>Macht die Flächen: Quadrate mit dieser Seite, von der oberen linken Ecke des Rasters an. Die Seite wird am Boden gemessen; wo das KBS keine Meter angibt, in den eigenen Einheiten des Rasters.</translation>
    </message>
    <message>
        <source>Polygons or points with a class field; it may be the layer of the areas itself, empty where the class is not known. A point labels the area that holds it, a polygon the areas that it mostly covers. A polygon that covers no area is an example of its own. Five of each class are a good start. Give these or a model.</source>
        <translation>Polygone oder Punkte mit einem Klassenfeld; es kann der Layer der Flächen selbst sein, leer, wo die Klasse nicht bekannt ist. Ein Punkt bestimmt die Klasse der Fläche, in der er liegt, ein Polygon die der Flächen, die es überwiegend bedeckt. Ein Polygon, das keine Fläche bedeckt, ist ein eigenes Beispiel. Fünf je Klasse sind ein guter Anfang. Geben Sie diese oder ein Modell an.</translation>
    </message>
    <message>
        <source>The field of the labels that holds the class. Empty values are left out. In QGIS it may be left out: then it is the field that the layer is styled by.</source>
        <translation>Das Feld der Trainingsflächen mit der Klasse. Leere Werte werden ausgelassen. In QGIS kann es entfallen: Dann ist es das Feld, nach dem der Layer gezeichnet wird.</translation>
    </message>
    <message>
        <source>A model of areas that an earlier run has written, in place of labels. It may come from another raster.</source>
        <translation>Ein Flächenmodell, das ein früherer Lauf geschrieben hat, anstelle von Trainingsflächen. Es kann von einem anderen Raster stammen.</translation>
    </message>
    <message>
        <source>Classify the areas of this part only, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: all.</source>
        <translation>Nur die Flächen dieses Teils klassifizieren, als xmin,xmax,ymin,ymax, mit [EPSG:code], wo er nicht im KBS des Rasters steht. Leer: alle.</translation>
    </message>
    <message>
        <source>The raster is averaged to about this pixel size first. Empty: that of the encoder file, or so that the areas are some hundred pixels wide.</source>
        <translation>Das Raster wird zuerst auf etwa diese Pixelgröße gemittelt. Leer: die der Encoder-Datei, oder so, dass die Flächen einige hundert Pixel breit sind.</translation>
    </message>
    <message>
        <source>general: an encoder that others trained on photographs, which comes with the library. none: the encoder file alone.</source>
        <translation>general: ein Encoder, den andere auf Fotos trainiert haben und der mit der Bibliothek kommt. none: die Encoder-Datei allein.</translation>
    </message>
    <message>
        <source>Model of areas</source>
        <translation>Flächenmodell</translation>
    </message>
    <message>
        <source>Optional: the file to keep the classifier in, for other rasters.</source>
        <translation>Optional: die Datei, in der der Klassifikator für andere Raster aufgehoben wird.</translation>
    </message>
    <message>
        <source>HTML report with scores, the confusion of classes, and the areas of each class.</source>
        <translation>HTML-Bericht mit Bewertungen, der Verwechslung von Klassen und den Flächen jeder Klasse.</translation>
    </message>
    <message>
        <source>Areas classified</source>
        <translation>Klassifizierte Flächen</translation>
    </message>
    <message>
        <source>Areas without a class</source>
        <translation>Flächen ohne Klasse</translation>
    </message>
    <message>
        <source>Find the places of one or many rasters that look most like a few examples.</source>
        <translation>Findet die Orte eines oder vieler Raster, die einigen Beispielen am ähnlichsten sehen.</translation>
    </message>
    <message>
        <source>Click on an airplane, an orchard or a landslide, and get others. The rasters are cut into square cells. What the encoder sees in a cell is compared with what it sees in the examples, and the cells that are most alike are written in the order of their likeness. Copy those that are wrong to a layer of their own and run it again with it as "not this": the order improves. What was seen of a raster is kept in the cache folder, so another search of it, of a part of it, or of more rasters with it sees nothing anew of that raster. Its pixels are normalised by themselves, whatever other rasters there are.</source>
        <translation>Klicken Sie auf ein Flugzeug, eine Obstwiese oder einen Erdrutsch, und Sie bekommen weitere. Die Raster werden in quadratische Zellen geteilt. Was der Encoder in einer Zelle sieht, wird mit dem verglichen, was er in den Beispielen sieht, und die ähnlichsten Zellen werden in der Reihenfolge ihrer Ähnlichkeit geschrieben. Kopieren Sie die falschen in einen eigenen Layer und suchen Sie noch einmal mit ihm als „Das nicht“: Die Reihenfolge wird besser. Was in einem Raster gesehen wurde, bleibt im Cache-Ordner; eine weitere Suche darin, in einem Teil davon oder zusammen mit weiteren Rastern sieht dieses Raster nicht noch einmal an. Seine Pixel werden für sich normalisiert, welche anderen Raster es auch gibt.</translation>
    </message>
    <message>
        <source>One or more rasters to search: same bands in the same order. The examples lie on any of them. A name may stand for many rasters: a folder, a pattern such as tiles/**/*.tif, a text file with a path per line, or a STAC item, item collection or catalog on disk. Addresses such as /vsis3/bucket/a.tif are read where they are.</source>
        <translation>Ein oder mehrere Raster, die durchsucht werden: gleiche Kanäle in gleicher Reihenfolge. Die Beispiele liegen auf irgendeinem davon. Ein Name kann für viele Raster stehen: ein Ordner, ein Muster wie tiles/**/*.tif, eine Textdatei mit einem Pfad je Zeile oder ein STAC-Item, eine Item-Collection oder ein Katalog auf der Platte. Was unter Adressen wie /vsis3/bucket/a.tif liegt, wird dort gelesen.</translation>
    </message>
    <message>
        <source>Examples</source>
        <translation>Beispiele</translation>
    </message>
    <message>
        <source>Polygons or points, each a place of the kind that is looked for. A point stands for a cell around it. One is enough; five are better.</source>
        <translation>Polygone oder Punkte, jedes ein Ort der gesuchten Art. Ein Punkt steht für eine Zelle um ihn herum. Ein Beispiel genügt; fünf sind besser.</translation>
    </message>
    <message>
        <source>Places that look alike</source>
        <translation>Ähnliche Orte</translation>
    </message>
    <message>
        <source>The layer to write: cells with rank, score and raster. Rank 1 is the most alike. Places of the examples themselves are left out.</source>
        <translation>Der Layer, der geschrieben wird: Zellen mit Rang (rank), Ähnlichkeit (score) und Raster (raster). Rang 1 ist am ähnlichsten. Die Orte der Beispiele selbst sind nicht dabei.</translation>
    </message>
    <message>
        <source>Not this</source>
        <translation>Das nicht</translation>
    </message>
    <message>
        <source>Optional: polygons or points of places that look alike but are something else, such as wrong results of an earlier search.</source>
        <translation>Optional: Polygone oder Punkte von Orten, die ähnlich aussehen, aber etwas anderes sind, zum Beispiel falsche Ergebnisse einer früheren Suche.</translation>
    </message>
    <message>
        <source>How many places to find.</source>
        <translation>Wie viele Orte gefunden werden sollen.</translation>
    </message>
    <message>
        <source>The cells that are compared are squares of this side, from the upper left corner of each raster on. Empty: that of the polygons among the examples, but at least 8 pixels; without one, 64 pixels of the first raster. The side is measured on the ground; where the CRS does not tell metres, in the raster's own units.</source>
        <translation>Die verglichenen Zellen sind Quadrate mit dieser Seite, von der linken oberen Ecke jedes Rasters an. Leer: die der Polygone unter den Beispielen, aber mindestens 8 Pixel; ohne Polygone 64 Pixel des ersten Rasters. Die Seite wird am Boden gemessen; wo das KBS keine Meter angibt, in den eigenen Einheiten des Rasters.</translation>
    </message>
    <message>
        <source>Search only this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: everywhere.</source>
        <translation>Nur diesen Teil durchsuchen, als xmin,xmax,ymin,ymax, mit [EPSG:code], wenn er nicht im KBS des Rasters angegeben ist. Leer: überall.</translation>
    </message>
    <message>
        <source>HTML report with pictures of the examples and of the best places, their ranks and scores, and how both lie among all cells.</source>
        <translation>HTML-Bericht mit Bildern der Beispiele und der besten Orte, deren Rang und Ähnlichkeit, und wie sie unter allen Zellen liegen.</translation>
    </message>
    <message>
        <source>Places found</source>
        <translation>Gefundene Orte</translation>
    </message>
    <message>
        <source>Cells compared</source>
        <translation>Verglichene Zellen</translation>
    </message>
    <message>
        <source>Side of a cell in metres</source>
        <translation>Seite einer Zelle in Metern</translation>
    </message>
    <message>
        <source>Outline the objects at points: a field, a roof or a pond becomes a polygon from one point in it.</source>
        <translation>Objekte an Punkten umreißen: Aus einem Punkt in einem Feld, einem Dach oder einem Teich wird ein Polygon.</translation>
    </message>
    <message>
        <source>Around each point grows what looks like it: its colours, and what an encoder sees there. It is what a click outlines in the dock, pixel for pixel. A polygon reaches 192 working pixels from its point at most. The fields of the points go along, so polygons of points with a class are labels to learn from. Look at them first: an outline may stop early, or run into what looks alike.</source>
        <translation>Um jeden Punkt wächst, was so aussieht wie er: nach seinen Farben und nach dem, was ein Encoder dort sieht. Es ist Pixel für Pixel das, was ein Klick im Dock umreißt. Ein Polygon reicht höchstens 192 Arbeitspixel weit von seinem Punkt. Die Felder der Punkte gehen mit, sodass Polygone von Punkten mit einer Klasse Trainingsflächen sind. Sehen Sie sie erst an: Ein Umriss kann zu früh enden oder in das hineinlaufen, was ähnlich aussieht.</translation>
    </message>
    <message>
        <source>The raster that shows the objects. It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster.</source>
        <translation>Das Raster, das die Objekte zeigt. Es kann eine Datei sein, eine Adresse wie /vsis3/bucket/a.tif oder ein STAC-Item mit einem Raster.</translation>
    </message>
    <message>
        <source>Points</source>
        <translation>Punkte</translation>
    </message>
    <message>
        <source>One point in each object, well inside it.</source>
        <translation>Ein Punkt in jedem Objekt, deutlich in seinem Inneren.</translation>
    </message>
    <message>
        <source>Outlines</source>
        <translation>Umrisse</translation>
    </message>
    <message>
        <source>The polygons to write, with the fields of the points. They may lie on each other.</source>
        <translation>Die Polygone, die geschrieben werden, mit den Feldern der Punkte. Sie können aufeinander liegen.</translation>
    </message>
    <message>
        <source>Reach</source>
        <translation>Reichweite</translation>
    </message>
    <message>
        <source>How unlike the point a pixel may be that is still part of its object. 0: it has to be the same. 1: one and a half times as unlike as two random pixels of the raster are on average.</source>
        <translation>Wie unähnlich ein Pixel dem Punkt sein darf, das noch zu seinem Objekt gehört. 0: Es muss gleich sein. 1: anderthalbmal so unähnlich, wie es zwei zufällige Pixel des Rasters im Mittel sind.</translation>
    </message>
    <message>
        <source>A model whose encoders look at the raster, in place of an encoder file. One of the head network will not do.</source>
        <translation>Ein Modell, dessen Encoder das Raster ansehen, anstelle einer Encoder-Datei. Eines mit dem Kopf network geht nicht.</translation>
    </message>
    <message>
        <source>Turn a map into polygons, one for each region.</source>
        <translation>Macht aus einer Karte Polygone, eines für jedes Gebiet.</translation>
    </message>
    <message>
        <source>A region is made of connected pixels of one class. Neighbours share their border line point by point: there are no gaps and no overlaps, also where lines are smoothed or small regions are dissolved. Each polygon carries the code, the name and the colour of its class, and its area. Nodata becomes no polygon.</source>
        <translation>Ein Gebiet besteht aus zusammenhängenden Pixeln einer Klasse. Nachbarn teilen ihre Grenzlinie Punkt für Punkt: Es gibt keine Lücken und keine Überlappungen, auch wenn Linien geglättet oder kleine Gebiete aufgelöst werden. Jedes Polygon trägt Code, Namen und Farbe seiner Klasse und seine Fläche. Aus Nodata wird kein Polygon.</translation>
    </message>
    <message>
        <source>Map</source>
        <translation>Karte</translation>
    </message>
    <message>
        <source>A raster with one band of class codes, such as classifying writes it.</source>
        <translation>Ein Raster mit einem Kanal von Klassencodes, wie die Klassifikation es schreibt.</translation>
    </message>
    <message>
        <source>Polygons</source>
        <translation>Polygone</translation>
    </message>
    <message>
        <source>The polygons to write. The ending says the format: .gpkg, .geojson, .shp and others that OGR writes.</source>
        <translation>Die Polygone, die geschrieben werden. Die Endung bestimmt das Format: .gpkg, .geojson, .shp und andere, die OGR schreibt.</translation>
    </message>
    <message>
        <source>Minimum area</source>
        <translation>Mindestfläche</translation>
    </message>
    <message>
        <source>A region smaller than this becomes part of the neighbour with which it shares the longest border (minimum mapping unit). The area is in square map units, or in m² of ground where the map is in degrees or not true to scale, as in Web Mercator. 0: all regions stay.</source>
        <translation>Ein kleineres Gebiet geht in dem Nachbarn auf, mit dem es die längste Grenze teilt (Mindestkartierfläche). Die Fläche ist in Quadrateinheiten der Karte oder in m² am Boden, wenn die Karte in Grad ist oder nicht maßstabstreu, wie in Web Mercator. 0: alle Gebiete bleiben.</translation>
    </message>
    <message>
        <source>square CRS units</source>
        <translation>Quadrateinheiten des KBS</translation>
    </message>
    <message>
        <source>0: the polygons follow the edges of the pixels. Up to 1: borders run straight across the stairs of the pixels. No border moves by more than a pixel, and the edge of the raster stays as it is. Around nodata polygons lose some area: on a map full of islands of nodata of a pixel or two they covered 4.2 % less than the map.</source>
        <translation>0: die Polygone folgen den Kanten der Pixel. Bis 1: Grenzen laufen gerade über die Treppen der Pixel. Keine Grenze wandert um mehr als ein Pixel, und der Rand des Rasters bleibt, wie er ist. Um Nodata verlieren Polygone etwas Fläche: auf einer Karte voller Inseln aus Nodata von ein, zwei Pixeln bedeckten sie 4,2 % weniger als die Karte.</translation>
    </message>
    <message>
        <source>Regions dissolved</source>
        <translation>Aufgelöste Gebiete</translation>
    </message>
    <message>
        <source>Find out how two maps of a place differ: which share of the pixels changed, from which class to which, and where.</source>
        <translation>Herausfinden, worin sich zwei Karten eines Ortes unterscheiden: welcher Anteil der Pixel sich geändert hat, von welcher Klasse zu welcher, und wo.</translation>
    </message>
    <message>
        <source>A class is the same on both where it has the same name, in capitals or not, whatever its codes; maps without names are compared by their codes, as in Assess a map. The two may lie on different grids and in different CRSs: the map before is looked up at the centre of each pixel of the map after. Pixels that only one of them has are left out.</source>
        <translation>Eine Klasse ist auf beiden dieselbe, wenn sie denselben Namen hat, groß- oder kleingeschrieben, gleich mit welchen Codes; Karten ohne Namen werden nach ihren Codes verglichen, wie in „Eine Karte bewerten“. Die beiden dürfen auf verschiedenen Rastern und in verschiedenen KBS liegen: die Karte vorher wird in der Mitte jedes Pixels der Karte nachher abgelesen. Pixel, die nur eine von beiden hat, bleiben außen vor.</translation>
    </message>
    <message>
        <source>What differs is not all change on the ground: each map has errors of its own.</source>
        <translation>Nicht jeder Unterschied ist eine Änderung im Gelände: jede Karte hat eigene Fehler.</translation>
    </message>
    <message>
        <source>Map before</source>
        <translation>Karte vorher</translation>
    </message>
    <message>
        <source>Raster of class codes, as Classify a raster writes it.</source>
        <translation>Raster mit Klassencodes, wie „Ein Raster klassifizieren“ es schreibt.</translation>
    </message>
    <message>
        <source>Map after</source>
        <translation>Karte nachher</translation>
    </message>
    <message>
        <source>Raster of class codes of the same place: a later one, or one by another model.</source>
        <translation>Raster mit Klassencodes desselben Ortes: ein späteres, oder eines von einem anderen Modell.</translation>
    </message>
    <message>
        <source>Where they differ</source>
        <translation>Wo sie sich unterscheiden</translation>
    </message>
    <message>
        <source>A map of what changed: where the two differ it shows the class of the map after, elsewhere that nothing changed.</source>
        <translation>Eine Karte der Änderungen: wo sich die beiden unterscheiden, zeigt sie die Klasse der Karte nachher, sonst, dass sich nichts geändert hat.</translation>
    </message>
    <message>
        <source>Table</source>
        <translation>Tabelle</translation>
    </message>
    <message>
        <source>CSV table with a row for each pair of classes: pixels, share of the whole, and area.</source>
        <translation>CSV-Tabelle mit einer Zeile für jedes Paar von Klassen: Pixel, Anteil am Ganzen und Fläche.</translation>
    </message>
    <message>
        <source>HTML report with pictures, and what became of each class.</source>
        <translation>HTML-Bericht mit Bildern, und was aus jeder Klasse wurde.</translation>
    </message>
    <message>
        <source>Share of the pixels that changed</source>
        <translation>Anteil der geänderten Pixel</translation>
    </message>
    <message>
        <source>Pixels compared</source>
        <translation>Verglichene Pixel</translation>
    </message>
    <message>
        <source>Correct a finished map: paint over parts of it, and merge or rename its classes.</source>
        <translation>Eine fertige Karte berichtigen: Teile übermalen, Klassen vereinen oder umbenennen.</translation>
    </message>
    <message>
        <source>Polygons with a class field overwrite what the map shows below them, where the map has data. A small polygon within a larger one counts. A class that the map does not have yet becomes a new one. All else stays as it is, with its codes, names and colours. The result is a new map; the old one is not changed.</source>
        <translation>Polygone mit einem Klassenfeld überschreiben, was die Karte unter ihnen zeigt, wo die Karte Daten hat. Ein kleines Polygon in einem größeren zählt. Eine Klasse, die die Karte noch nicht hat, wird neu angelegt. Alles andere bleibt, wie es ist, mit Codes, Namen und Farben. Das Ergebnis ist eine neue Karte; die alte wird nicht geändert.</translation>
    </message>
    <message>
        <source>Corrected map</source>
        <translation>Berichtigte Karte</translation>
    </message>
    <message>
        <source>The new map, a GeoTIFF.</source>
        <translation>Die neue Karte, ein GeoTIFF.</translation>
    </message>
    <message>
        <source>Polygons to paint</source>
        <translation>Polygone zum Übermalen</translation>
    </message>
    <message>
        <source>Polygons, lines or points with a class field. They are reprojected to the map where needed.</source>
        <translation>Polygone, Linien oder Punkte mit einem Klassenfeld. Wo nötig, werden sie in das KBS der Karte umprojiziert.</translation>
    </message>
    <message>
        <source>Names of classes, in capitals or not, or codes of the map. In QGIS it may be left out: then it is the field that the layer is styled by.</source>
        <translation>Namen von Klassen, groß- oder kleingeschrieben, oder Codes der Karte. In QGIS kann es wegbleiben: dann ist es das Feld, nach dem der Layer dargestellt ist.</translation>
    </message>
    <message>
        <source>Merge and rename</source>
        <translation>Vereinen und umbenennen</translation>
    </message>
    <message>
        <source>Old names and new ones, such as: scrub = forest; road = street. A class that gets the name of another one becomes one with it. The names of polygons may be old ones or new ones.</source>
        <translation>Alte Namen und neue, zum Beispiel: Gebüsch = Wald; Weg = Straße. Eine Klasse, die den Namen einer anderen bekommt, wird mit ihr eins. Die Namen der Polygone können alte oder neue sein.</translation>
    </message>
    <message>
        <source>Pixels that have another class now</source>
        <translation>Pixel, die jetzt eine andere Klasse haben</translation>
    </message>
    <message>
        <source>Classes of the new map</source>
        <translation>Klassen der neuen Karte</translation>
    </message>
    <message>
        <source>Put all that belongs to a map into one folder, to hand it in.</source>
        <translation>Legt alles, was zu einer Karte gehört, in einen Ordner, um sie abzugeben.</translation>
    </message>
    <message>
        <source>The folder gets the map with its style, its polygons, the area of each class, a report that says in plain words how the map was made and how good it is, and the jobs that make it again. In QGIS it also gets a page to print, with the map, its legend, scale bar, north arrow, date and CRS.</source>
        <translation>In den Ordner kommen die Karte mit ihrem Stil, ihre Polygone, die Fläche jeder Klasse, ein Bericht, der in einfachen Worten sagt, wie die Karte gemacht wurde und wie gut sie ist, und die Aufträge, die sie noch einmal machen. In QGIS kommt eine Seite zum Drucken dazu, mit Karte, Legende, Maßstabsbalken, Nordpfeil, Datum und KBS.</translation>
    </message>
    <message>
        <source>With the points of Sample points to assess a map, their classes filled in, accuracy and areas come with their intervals.</source>
        <translation>Mit den Punkten aus „Punkte ziehen, um eine Karte zu bewerten“, deren Klassen eingetragen sind, stehen Genauigkeit und Flächen mit ihren Intervallen da.</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>Ordner</translation>
    </message>
    <message>
        <source>The folder is made where it does not exist. Files of an earlier run are replaced.</source>
        <translation>Der Ordner wird angelegt, wenn es ihn nicht gibt. Dateien eines früheren Laufs werden ersetzt.</translation>
    </message>
    <message>
        <source>Reference labels</source>
        <translation>Referenzdaten</translation>
    </message>
    <message>
        <source>Points at which it was looked up what is really there. Without them the report says that the accuracy of the map is not known.</source>
        <translation>Punkte, an denen nachgesehen wurde, was wirklich da ist. Ohne sie sagt der Bericht, dass die Genauigkeit der Karte nicht bekannt ist.</translation>
    </message>
    <message>
        <source>Names of the map's classes, in capitals or not, or their codes.</source>
        <translation>Namen der Klassen der Karte, groß oder klein geschrieben, oder ihre Codes.</translation>
    </message>
    <message>
        <source>The model that made the map. The report says from it how the map was made.</source>
        <translation>Das Modell, das die Karte gemacht hat. Der Bericht sagt danach, wie die Karte gemacht wurde.</translation>
    </message>
    <message>
        <source>The raster that the map was made of. It is named in the report and in the job.</source>
        <translation>Das Raster, aus dem die Karte gemacht wurde. Es wird im Bericht und im Auftrag genannt.</translation>
    </message>
    <message>
        <source>A region smaller than this becomes part of its neighbour among the polygons, as in Map to polygons. The map stays.</source>
        <translation>Ein kleineres Gebiet geht bei den Polygonen in seinem Nachbarn auf, wie in „Karte zu Polygonen“. Die Karte bleibt, wie sie ist.</translation>
    </message>
    <message>
        <source>Title</source>
        <translation>Titel</translation>
    </message>
    <message>
        <source>The title of the report and of the page. Empty: the name of the map.</source>
        <translation>Der Titel des Berichts und der Seite. Leer: der Name der Karte.</translation>
    </message>
    <message>
        <source>Draw the points at which to look up what is really there, to assess a map.</source>
        <translation>Zieht die Punkte, an denen nachgesehen wird, was wirklich da ist, um eine Karte zu bewerten.</translation>
    </message>
    <message>
        <source>A stratified random sample: in each class of the map, every pixel has the same chance. How many points there are follows from the standard error wanted; a rare class gets a minimum, the others share the rest in proportion to their area. Fill in the field class of each point on screen, by name or by code, then hand the layer to Assess a map. The points do not say what the map shows, and come in random order, so that the person who fills them in is not led by the map.</source>
        <translation>Eine geschichtete Zufallsstichprobe: in jeder Klasse der Karte hat jedes Pixel die gleiche Chance. Wie viele Punkte es sind, folgt aus dem gewünschten Standardfehler; eine seltene Klasse bekommt eine Mindestzahl, die anderen teilen sich den Rest nach ihrer Fläche. Füllen Sie am Bildschirm bei jedem Punkt das Feld class aus, mit Namen oder Code, und geben Sie den Layer an „Eine Karte bewerten“. Die Punkte sagen nicht, was die Karte zeigt, und kommen in zufälliger Reihenfolge, damit die Karte niemanden beeinflusst.</translation>
    </message>
    <message>
        <source>Sample points</source>
        <translation>Stichprobenpunkte</translation>
    </message>
    <message>
        <source>The points to write, as GeoPackage or another format that goes by its extension. Fields: id, and class, which is empty; the form of QGIS offers the classes of the map.</source>
        <translation>Die Punkte, die geschrieben werden, als GeoPackage oder in einem anderen Format, nach der Endung. Felder: id, und class, das leer ist; das Formular von QGIS bietet die Klassen der Karte an.</translation>
    </message>
    <message>
        <source>Standard error wanted</source>
        <translation>Gewünschter Standardfehler</translation>
    </message>
    <message>
        <source>This is the standard error of the overall accuracy. Half of it takes four times as many points. The 95 % interval reaches about twice as far to either side.</source>
        <translation>Das ist der Standardfehler der Gesamtgenauigkeit. Die Hälfte braucht viermal so viele Punkte. Das 95-%-Intervall reicht nach jeder Seite etwa doppelt so weit.</translation>
    </message>
    <message>
        <source>User's accuracy expected</source>
        <translation>Erwartete Nutzergenauigkeit</translation>
    </message>
    <message>
        <source>Share of the pixels of each mapped class that are probably right. 0.5 is the careful guess: it takes the most points.</source>
        <translation>Anteil der Pixel jeder kartierten Klasse, die wohl stimmen. 0,5 ist die vorsichtige Annahme: sie braucht die meisten Punkte.</translation>
    </message>
    <message>
        <source>Fewest points per class</source>
        <translation>Wenigste Punkte je Klasse</translation>
    </message>
    <message>
        <source>A class too rare for its share of the points gets this many. 50 to 100 are usual. A class with fewer pixels gives all it has.</source>
        <translation>Eine Klasse, die für ihren Anteil an den Punkten zu selten ist, bekommt so viele. 50 bis 100 sind üblich. Eine Klasse mit weniger Pixeln gibt alle her.</translation>
    </message>
    <message>
        <source>Table of the mapped classes</source>
        <translation>Tabelle der kartierten Klassen</translation>
    </message>
    <message>
        <source>Optional: what the map shows at each point, the answers so to say. Do not show it to the person who fills in the classes. Assess a map does not need it.</source>
        <translation>Auf Wunsch: was die Karte an jedem Punkt zeigt, sozusagen die Lösungen. Zeigen Sie sie nicht der Person, die die Klassen einträgt. Eine Karte bewerten braucht sie nicht.</translation>
    </message>
    <message>
        <source>Points drawn</source>
        <translation>Gezogene Punkte</translation>
    </message>
    <message>
        <source>Expected standard error of the overall accuracy</source>
        <translation>Erwarteter Standardfehler der Gesamtgenauigkeit</translation>
    </message>
    <message>
        <source>Find out how good a map is, from reference labels or a raster of the truth.</source>
        <translation>Stellt fest, wie gut eine Karte ist, anhand von Referenzdaten oder einem Raster der Wahrheit.</translation>
    </message>
    <message>
        <source>It says how often map and reference agree, and which class is taken for which. From points that were drawn at random within the classes of the map it also estimates the accuracy of the whole map, and the area of each class, with 95 % confidence intervals (Olofsson et al. 2014). Sample points to assess a map draws such points.</source>
        <translation>Es sagt, wie oft Karte und Referenz übereinstimmen und welche Klasse für welche gehalten wird. Aus Punkten, die zufällig in den Klassen der Karte gezogen wurden, schätzt es auch die Genauigkeit der ganzen Karte und die Fläche jeder Klasse, mit 95-%-Konfidenzintervallen (Olofsson et al. 2014). „Punkte ziehen, um eine Karte zu bewerten“ zieht solche Punkte.</translation>
    </message>
    <message>
        <source>Points, lines or polygons with a class field. They are reprojected to the map where needed. Points are compared one by one, lines and polygons pixel by pixel. Give these or a truth raster.</source>
        <translation>Punkte, Linien oder Polygone mit einem Klassenfeld. Wo nötig, werden sie in das KBS der Karte umprojiziert. Punkte werden einzeln verglichen, Linien und Polygone Pixel für Pixel. Geben Sie diese oder ein Raster der Wahrheit an.</translation>
    </message>
    <message>
        <source>Names of the map's classes, in capitals or not, or their codes. Empty values are left out and counted. In QGIS it may be left out: then it is the field that the layer is styled by.</source>
        <translation>Namen der Klassen der Karte, groß oder klein geschrieben, oder ihre Codes. Leere Werte werden ausgelassen und gezählt. In QGIS darf es fehlen: dann ist es das Feld, nach dem der Layer gestaltet ist.</translation>
    </message>
    <message>
        <source>Truth raster</source>
        <translation>Raster der Wahrheit</translation>
    </message>
    <message>
        <source>Raster of the true classes, on any grid and in any CRS. Its numbers are names of the map's classes, such as 112, or their codes. It is looked up at the centre of each pixel of the map. Give this or reference labels.</source>
        <translation>Raster der wahren Klassen, in beliebigem Gitter und KBS. Seine Zahlen sind Namen der Klassen der Karte, etwa 112, oder deren Codes. Es wird in der Mitte jedes Pixels der Karte abgefragt. Geben Sie dieses oder Referenzdaten an.</translation>
    </message>
    <message>
        <source>HTML report with scores, confusion matrix and areas.</source>
        <translation>HTML-Bericht mit Bewertung, Konfusionsmatrix und Flächen.</translation>
    </message>
    <message>
        <source>CSV table with the confusion matrix and the scores and areas per class.</source>
        <translation>CSV-Tabelle mit der Konfusionsmatrix und der Bewertung und Fläche jeder Klasse.</translation>
    </message>
    <message>
        <source>Mean F1</source>
        <translation>Mittleres F1</translation>
    </message>
    <message>
        <source>Overall accuracy of the whole map, area-adjusted</source>
        <translation>Gesamtgenauigkeit der ganzen Karte, flächengewichtet</translation>
    </message>
    <message>
        <source>Half width of its 95 % confidence interval</source>
        <translation>Halbe Breite ihres 95-%-Konfidenzintervalls</translation>
    </message>
    <message>
        <source>Points or pixels compared</source>
        <translation>Verglichene Punkte oder Pixel</translation>
    </message>
    <message>
        <source>Find out where a place changed between two dates, and from what to what.</source>
        <translation>Stellt fest, wo sich ein Ort zwischen zwei Zeitpunkten verändert hat, und von was zu was.</translation>
    </message>
    <message>
        <source>It needs no labels. From the place itself it learns how each kind of ground looks at one date that looked a certain way at the other. Season, light and another sensor change all ground of a kind alike, and are no change; a place that does not go the way of its kind is. So most of the place must be unchanged. With a few labels, or a model, it also says from which class to which, and what changed its look but surely not its class is no change.</source>
        <translation>Es braucht keine Labels. Am Ort selbst wird gelernt, wie Boden, der zum einen Zeitpunkt auf eine bestimmte Weise aussah, zum anderen aussieht. Jahreszeit, Licht und ein anderer Sensor verändern allen Boden einer Art auf gleiche Weise und sind keine Veränderung; eine Stelle, die nicht den Weg ihrer Art geht, ist eine. Deshalb muss der größte Teil des Ortes unverändert sein. Mit einigen Labels oder einem Modell wird auch gesagt, von welcher Klasse zu welcher, und was sein Aussehen, aber sicher nicht seine Klasse gewechselt hat, ist keine Veränderung.</translation>
    </message>
    <message>
        <source>The two rasters may lie on different grids and in different CRSs. The result lies on the grid of the raster before, where both have data. What is nodata at one of the dates, such as clouds, stays unknown.</source>
        <translation>Die beiden Raster dürfen auf verschiedenen Gittern und in verschiedenen KBS liegen. Das Ergebnis liegt auf dem Gitter des früheren Rasters, dort, wo beide Daten haben. Was zu einem der Zeitpunkte Nodata ist, etwa Wolken, bleibt unbekannt.</translation>
    </message>
    <message>
        <source>Raster before</source>
        <translation>Früheres Raster</translation>
    </message>
    <message>
        <source>The raster of the earlier date. It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster.</source>
        <translation>Das Raster des früheren Zeitpunkts. Es darf eine Datei sein, eine Adresse wie /vsis3/bucket/a.tif oder ein STAC-Item mit einem Raster.</translation>
    </message>
    <message>
        <source>Raster after</source>
        <translation>Späteres Raster</translation>
    </message>
    <message>
        <source>The raster of the later date, with the same bands. It is read on the grid of the one before.</source>
        <translation>Das Raster des späteren Zeitpunkts, mit denselben Kanälen. Es wird auf dem Gitter des früheren gelesen.</translation>
    </message>
    <message>
        <source>Change map</source>
        <translation>Veränderungskarte</translation>
    </message>
    <message>
        <source>The map to write: one Byte band with a code for no change and one for change, or for each pair of classes.</source>
        <translation>Die Karte, die geschrieben wird: ein Byte-Kanal mit einem Code für keine Veränderung und einem für Veränderung, oder für jedes Paar von Klassen.</translation>
    </message>
    <message>
        <source>Optional: polygons, lines or points with a class field, so that the map says from what to what the ground changed. Some 20 are a start. They hold at one date; where the ground has not changed, they hold at the other one too.</source>
        <translation>Optional: Polygone, Linien oder Punkte mit einem Klassenfeld, damit die Karte sagt, von was zu was sich der Boden verändert hat. Etwa 20 sind ein Anfang. Sie gelten zu einem Zeitpunkt; wo sich der Boden nicht verändert hat, gelten sie auch zum anderen.</translation>
    </message>
    <message>
        <source>Labels hold</source>
        <translation>Labels gelten</translation>
    </message>
    <message>
        <source>before: at the earlier date. after: at the later date. both: at both dates, as they lie where nothing changed.</source>
        <translation>before: zum früheren Zeitpunkt. after: zum späteren Zeitpunkt. both: zu beiden, da sie dort liegen, wo sich nichts verändert hat.</translation>
    </message>
    <message>
        <source>Model file from fine-tuning, in place of labels, for the same bands and about the same pixel size. It classifies both dates.</source>
        <translation>Modelldatei aus dem Feinabstimmen, anstelle von Labels, für dieselben Kanäle und etwa dieselbe Pixelgröße. Sie klassifiziert beide Zeitpunkte.</translation>
    </message>
    <message>
        <source>A change smaller than this is left out, and so is an unchanged gap within one. The area is in square map units, or in m² of ground where the map is in degrees or not true to scale, as in Web Mercator. Empty: that of 256 pixels.</source>
        <translation>Eine kleinere Veränderung wird weggelassen, ebenso eine unveränderte Lücke in einer. Die Fläche ist in quadrierten Karteneinheiten angegeben, oder in m² am Boden, wo die Karte in Grad oder nicht maßstabstreu ist, wie in Web-Mercator. Leer: die von 256 Pixeln.</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>Schwelle</translation>
    </message>
    <message>
        <source>The probability of change from which on a place is shown as changed. How much has changed is measured first, so 0.5 suits most places. Less finds more changes and more false ones.</source>
        <translation>Die Wahrscheinlichkeit einer Veränderung, ab der eine Stelle als verändert gezeigt wird. Wie viel sich verändert hat, wird vorher gemessen, deshalb passt 0,5 für die meisten Orte. Weniger findet mehr Veränderungen und mehr falsche.</translation>
    </message>
    <message>
        <source>Shift</source>
        <translation>Versatz</translation>
    </message>
    <message>
        <source>How far the two rasters may be shifted against each other, in working pixels. A place counts as unchanged if it fits the other date anywhere within this distance.</source>
        <translation>Wie weit die beiden Raster nebeneinander liegen dürfen, in Arbeitspixeln. Eine Stelle gilt als unverändert, wenn sie innerhalb dieses Abstands irgendwo zum anderen Zeitpunkt passt.</translation>
    </message>
    <message>
        <source>Both rasters are averaged to about this pixel size first. Empty: that of the encoder file, or that of the raster before.</source>
        <translation>Beide Raster werden zuerst auf etwa diese Pixelgröße gemittelt. Leer: die der Encoder-Datei oder die des früheren Rasters.</translation>
    </message>
    <message>
        <source>Probability of change</source>
        <translation>Wahrscheinlichkeit der Veränderung</translation>
    </message>
    <message>
        <source>Optional second raster: the probability that a place changed, in percent, 255 for nodata.</source>
        <translation>Optionales zweites Raster: die Wahrscheinlichkeit, dass sich eine Stelle verändert hat, in Prozent, 255 für Nodata.</translation>
    </message>
    <message>
        <source>Changes as polygons</source>
        <translation>Veränderungen als Polygone</translation>
    </message>
    <message>
        <source>Optional layer: a polygon for each change, with the classes before and after where they are known, its area, and how sure it is in percent.</source>
        <translation>Optionaler Layer: ein Polygon für jede Veränderung, mit den Klassen vorher und nachher, wo sie bekannt sind, ihrer Fläche und ihrer Sicherheit in Prozent.</translation>
    </message>
    <message>
        <source>HTML report with both dates and the changes in pictures, and how much changed from what to what, and how probable that is.</source>
        <translation>HTML-Bericht mit beiden Zeitpunkten und den Veränderungen in Bildern, wie viel sich von was zu was verändert hat, und wie wahrscheinlich das ist.</translation>
    </message>
    <message>
        <source>Share with a probability of change of 90 % and more</source>
        <translation>Anteil mit einer Wahrscheinlichkeit der Veränderung ab 90 %</translation>
    </message>
    <message>
        <source>Share with a probability of change of 10 % and more</source>
        <translation>Anteil mit einer Wahrscheinlichkeit der Veränderung ab 10 %</translation>
    </message>
    <message>
        <source>Suggest where to digitise next.</source>
        <translation>Schlägt vor, wo als Nächstes digitalisiert wird.</translation>
    </message>
    <message>
        <source>It looks for the few small squares that would teach the model most: where it is not sure of the class, and which look unlike each other and unlike what is labelled. Digitise all you can see in them, add it to your labels, and fine-tune again. Squares with nodata or with labels are left out.</source>
        <translation>Es sucht die wenigen kleinen Quadrate, aus denen das Modell am meisten lernen würde: wo es sich der Klasse nicht sicher ist, und die einander und dem schon Digitalisierten nicht ähnlich sehen. Digitalisieren Sie alles, was Sie darin erkennen, fügen Sie es Ihren Trainingsflächen hinzu und trainieren Sie erneut. Quadrate mit Nodata oder mit Trainingsflächen werden ausgelassen.</translation>
    </message>
    <message>
        <source>The raster to digitise on. It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster.</source>
        <translation>Das Raster, auf dem digitalisiert wird. Es kann eine Datei, eine Adresse wie /vsis3/bucket/a.tif oder ein STAC-Item mit einem Raster sein.</translation>
    </message>
    <message>
        <source>Suggested places</source>
        <translation>Vorgeschlagene Stellen</translation>
    </message>
    <message>
        <source>The layer to write: squares with rank, score and reason. Rank 1 comes first.</source>
        <translation>Der Layer, der geschrieben wird: Quadrate mit Rang, Wertung und Grund. Rang 1 kommt zuerst.</translation>
    </message>
    <message>
        <source>Labels so far</source>
        <translation>Bisherige Trainingsflächen</translation>
    </message>
    <message>
        <source>What is digitised already. It is not suggested again, nor what looks like it. Empty: the squares only differ from each other.</source>
        <translation>Was schon digitalisiert ist. Es wird nicht wieder vorgeschlagen, auch nicht, was ihm ähnlich sieht. Leer: die Quadrate unterscheiden sich nur voneinander.</translation>
    </message>
    <message>
        <source>How many squares to suggest.</source>
        <translation>Wie viele Quadrate vorgeschlagen werden.</translation>
    </message>
    <message>
        <source>Side of a square</source>
        <translation>Seitenlänge eines Quadrats</translation>
    </message>
    <message>
        <source>The side is rounded to 4 working pixels. Empty: a side that suits the model, 32 working pixels with most.</source>
        <translation>Die Seite wird auf 4 Arbeitspixel gerundet. Leer: eine Seite, die zum Modell passt, meist 32 Arbeitspixel.</translation>
    </message>
    <message>
        <source>Look only in this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: everywhere.</source>
        <translation>Nur in diesem Teil suchen, als xmin,xmax,ymin,ymax, mit [EPSG:code], wenn er nicht im KBS des Rasters angegeben ist. Leer: überall.</translation>
    </message>
    <message>
        <source>Places suggested</source>
        <translation>Vorgeschlagene Stellen</translation>
    </message>
    <message>
        <source>Export a model for Deepness.</source>
        <translation>Exportiert ein Modell für Deepness.</translation>
    </message>
    <message>
        <source>Deepness is a QGIS plugin that runs models in the ONNX format. The file holds the network, what it does to pixels first, class names and pixel size, so that Deepness opens it with the right settings. Deepness knows no nodata and blends no tiles: Classify a raster makes the better map.</source>
        <translation>Deepness ist ein QGIS-Plugin, das Modelle im ONNX-Format ausführt. Die Datei enthält das Netz, was es zuerst mit den Pixeln macht, Klassennamen und Pixelgröße, so dass Deepness sie mit den richtigen Einstellungen öffnet. Deepness kennt kein Nodata und überblendet keine Kacheln: „Ein Raster klassifizieren“ macht die bessere Karte.</translation>
    </message>
    <message>
        <source>ONNX model</source>
        <translation>ONNX-Modell</translation>
    </message>
    <message>
        <source>The ONNX file to write.</source>
        <translation>Die ONNX-Datei, die geschrieben wird.</translation>
    </message>
    <message>
        <source>Tile size</source>
        <translation>Kachelgröße</translation>
    </message>
    <message>
        <source>Side of the tiles that Deepness cuts the raster into: a multiple of 32, for some models of 64 or 128. Larger ones show the model more around each pixel and take more memory.</source>
        <translation>Seitenlänge der Kacheln, in die Deepness das Raster schneidet: ein Vielfaches von 32, bei manchen Modellen von 64 oder 128. Größere zeigen dem Modell mehr um jedes Pixel herum und brauchen mehr Speicher.</translation>
    </message>
    <message>
        <source>Nodata value</source>
        <translation>Nodata-Wert</translation>
    </message>
    <message>
        <source>Value that the model takes for missing, band by band, as it does where the raster says so itself. Deepness fills with 0 beyond the raster's edge. Empty: none.</source>
        <translation>Wert, den das Modell Kanal für Kanal als fehlend nimmt, wie dort, wo das Raster es selbst sagt. Jenseits des Rasterrands füllt Deepness mit 0. Leer: keiner.</translation>
    </message>
    <message>
        <source>Number of classes</source>
        <translation>Zahl der Klassen</translation>
    </message>
    <message>
        <source>Pixel size in centimetres</source>
        <translation>Pixelgröße in Zentimetern</translation>
    </message>
    <message>
        <source>Say what a model or encoder file is.</source>
        <translation>Sagt, was eine Modell- oder Encoder-Datei ist.</translation>
    </message>
    <message>
        <source>The report shows what it maps, what it needs, what it does to pixels first, how good it is and how it was made. Nothing is computed, and the file stays as it is.</source>
        <translation>Der Bericht zeigt, was sie kartiert, was sie braucht, was sie zuerst mit den Pixeln macht, wie gut sie ist und wie sie entstand. Nichts wird berechnet, und die Datei bleibt, wie sie ist.</translation>
    </message>
    <message>
        <source>A model or an encoder file.</source>
        <translation>Eine Modell- oder Encoder-Datei.</translation>
    </message>
    <message>
        <source>HTML report on the file.</source>
        <translation>HTML-Bericht über die Datei.</translation>
    </message>
    <message>
        <source>Kind</source>
        <translation>Art</translation>
    </message>
    <message>
        <source>Pixel size it works on, in CRS units</source>
        <translation>Pixelgröße, mit der es rechnet, in Einheiten des KBS</translation>
    </message>
    <message>
        <source>Make a scene to try everything on: an aerial image, and labels on 1 % of it.</source>
        <translation>Macht eine Szene, an der sich alles ausprobieren lässt: ein Luftbild und Trainingsflächen auf 1 % davon.</translation>
    </message>
    <message>
        <source>The scene is generated on this computer, and nothing is downloaded. It shows fields, meadows, roads, roofs, trees and water from above, in red, green, blue and near infrared. Fine-tune a model with its labels, then classify the raster.</source>
        <translation>Die Szene wird auf diesem Computer erzeugt, es wird nichts heruntergeladen. Sie zeigt Äcker, Wiesen, Straßen, Dächer, Bäume und Wasser von oben, in Rot, Grün, Blau und nahem Infrarot. Stimmen Sie mit ihren Trainingsflächen ein Modell fein ab, und klassifizieren Sie dann das Raster.</translation>
    </message>
    <message>
        <source>The image to write, a GeoTIFF.</source>
        <translation>Das Bild, das geschrieben wird, ein GeoTIFF.</translation>
    </message>
    <message>
        <source>The label polygons to write, as GeoPackage or another format that goes by its extension. Their class field is land_cover.</source>
        <translation>Die Trainingsflächen, die geschrieben werden, als GeoPackage oder in einem anderen Format, nach der Endung. Ihr Klassenfeld ist land_cover.</translation>
    </message>
    <message>
        <source>Optional raster with the class of every pixel, to assess a map with.</source>
        <translation>Auf Wunsch ein Raster mit der Klasse jedes Pixels, um eine Karte damit zu bewerten.</translation>
    </message>
    <message>
        <source>Side of the scene</source>
        <translation>Seite der Szene</translation>
    </message>
    <message>
        <source>Larger scenes take longer.</source>
        <translation>Größere Szenen dauern länger.</translation>
    </message>
    <message>
        <source>Another seed makes another scene.</source>
        <translation>Ein anderer Startwert macht eine andere Szene.</translation>
    </message>
    <message>
        <source>Label polygons</source>
        <translation>Trainingsflächen (Polygone)</translation>
    </message>
    <message>
        <source>Estimate how long a job will take, and how much memory and disk.</source>
        <translation>Schätzt, wie lange ein Auftrag dauert und wie viel Arbeitsspeicher und Platz er braucht.</translation>
    </message>
    <message>
        <source>The job is one of pretraining, fine-tuning or classifying, in a file that Export the job writes. Nothing of it is done but a test of two seconds, of which the result is remembered. The button Estimate in the dialogs does the same without a file. Times are right within a factor of two, where other programs leave the computer alone.</source>
        <translation>Der Auftrag ist ein Vortraining, ein Feintraining oder eine Klassifikation, in einer Datei, wie „Auftrag exportieren“ sie schreibt. Nichts davon wird ausgeführt, nur ein Test von zwei Sekunden, dessen Ergebnis gemerkt wird. Der Knopf „Schätzen“ in den Dialogen macht dasselbe ohne Datei. Die Zeiten stimmen bis auf einen Faktor zwei, wenn andere Programme den Rechner in Ruhe lassen.</translation>
    </message>
    <message>
        <source>Job</source>
        <translation>Auftrag</translation>
    </message>
    <message>
        <source>The JSON file of the job.</source>
        <translation>Die JSON-Datei des Auftrags.</translation>
    </message>
    <message>
        <source>Seconds</source>
        <translation>Sekunden</translation>
    </message>
    <message>
        <source>Memory in GB</source>
        <translation>Arbeitsspeicher in GB</translation>
    </message>
    <message>
        <source>Disk in GB</source>
        <translation>Festplatte in GB</translation>
    </message>
    <message>
        <source>Check the compute environment: versions, device, and a real computation on it.</source>
        <translation>Prüft die Rechenumgebung: Versionen, Gerät und eine echte Berechnung darauf.</translation>
    </message>
    <message>
        <source>false_core version</source>
        <translation>Version von false_core</translation>
    </message>
    <message>
        <source>Python</source>
        <translation>Python</translation>
    </message>
    <message>
        <source>PyTorch</source>
        <translation>PyTorch</translation>
    </message>
    <message>
        <source>Device name</source>
        <translation>Name des Geräts</translation>
    </message>
    <message>
        <source>Memory of the device in GB</source>
        <translation>Speicher des Geräts in GB</translation>
    </message>
    <message>
        <source>Speed of the test kernel in GFLOP/s</source>
        <translation>Geschwindigkeit der Testberechnung in GFLOP/s</translation>
    </message>
    <message>
        <source>Bring what an exported job made into the project.</source>
        <translation>Holt ins Projekt, was ein exportierter Auftrag gemacht hat.</translation>
    </message>
    <message>
        <source>Where Export the job names a file, a dialog writes its job there instead of running it. The log says how to run the file elsewhere, also under torchrun or on a cluster. Then name the file here: the map and other layers are loaded and drawn as if they had been made here, the report goes to the Results Viewer, and the model is an output.</source>
        <translation>Wenn bei Auftrag exportieren eine Datei genannt ist, schreibt ein Dialog seinen Auftrag dorthin, statt ihn auszuführen. Das Protokoll sagt, wie die Datei anderswo ausgeführt wird, auch unter torchrun oder auf einem Cluster. Dann nennen Sie die Datei hier: Karte und andere Layer werden geladen und dargestellt, als wären sie hier entstanden, der Bericht kommt in die Ergebnisanzeige, und das Modell ist eine Ausgabe.</translation>
    </message>
    <message>
        <source>The JSON file that was exported. What the job made must be where it says, or the mapping says.</source>
        <translation>Die JSON-Datei, die exportiert wurde. Was der Auftrag gemacht hat, muss dort sein, wo er oder die Zuordnung es sagt.</translation>
    </message>
    <message>
        <source>Path mapping</source>
        <translation>Zuordnung der Pfade</translation>
    </message>
    <message>
        <source>What folders were called where the job ran, as /home/me/maps=/scratch/me/maps; several with semicolons. Empty: as in the options.</source>
        <translation>Wie Ordner dort heißen, wo der Auftrag lief, als /home/me/maps=/scratch/me/maps; mehrere mit Semikolons. Leer: wie in den Optionen.</translation>
    </message>
    <message>
        <source>Kind of the job</source>
        <translation>Art des Auftrags</translation>
    </message>
    <message>
        <source>Make, repair or update the Python that computes.</source>
        <translation>Macht, repariert oder aktualisiert das Python, das rechnet.</translation>
    </message>
    <message>
        <source>FALSE computes in a Python of its own, beside QGIS, with PyTorch and what else it needs. This algorithm finds or gets a Python, downloads the packages, computes something with them and says on what device. That is 0.5 GB to download and 1.5 GB on the disk; with an NVIDIA GPU 3 and 6 GB.</source>
        <translation>FALSE rechnet in einem eigenen Python neben QGIS, mit PyTorch und was es sonst braucht. Dieser Algorithmus findet oder holt ein Python, lädt die Pakete herunter, rechnet etwas damit und sagt, auf welchem Gerät. Das sind 0,5 GB zum Herunterladen und 1,5 GB auf der Festplatte; mit einer NVIDIA-GPU 3 und 6 GB.</translation>
    </message>
    <message>
        <source>Run it again at any time. It goes on where it was cancelled, repairs what is broken, brings an environment of another version of the plugin up to date, and is done in a moment where nothing is to be done. The packages come from the index that pip or uv are set to, through the proxy and with the certificates that QGIS is set to.</source>
        <translation>Führen Sie es jederzeit wieder aus. Es macht weiter, wo es abgebrochen wurde, repariert, was kaputt ist, bringt eine Umgebung einer anderen Version des Plugins auf den neuen Stand und ist sofort fertig, wenn nichts zu tun ist. Die Pakete kommen von dem Index, auf den pip oder uv eingestellt sind, durch den Proxy und mit den Zertifikaten, auf die QGIS eingestellt ist.</translation>
    </message>
    <message>
        <source>Where a Python with all that is needed is there already, for example of conda, a cluster or a container, name it. It is used as it is; nothing is installed into it.</source>
        <translation>Wenn ein Python mit allem Nötigen schon da ist, etwa von conda, auf einem Cluster oder in einem Container, nennen Sie es. Es wird verwendet, wie es ist; nichts wird hinein installiert.</translation>
    </message>
    <message>
        <source>Python to use as it is</source>
        <translation>Python, das verwendet wird, wie es ist</translation>
    </message>
    <message>
        <source>A Python of at least 3.10 that has the packages. Empty: an environment is made.</source>
        <translation>Ein Python ab 3.10, das die Pakete hat. Leer: eine Umgebung wird eingerichtet.</translation>
    </message>
    <message>
        <source>Build of PyTorch</source>
        <translation>Ausgabe von PyTorch</translation>
    </message>
    <message>
        <source>auto: by the GPU and its driver. cuda: for NVIDIA GPUs. cpu: without, smaller. index: what the package index has for this system, where only that can be reached. On Linux that is the one for GPUs.</source>
        <translation>auto: nach der GPU und ihrem Treiber. cuda: für NVIDIA-GPUs. cpu: ohne, kleiner. index: was der Paketindex für dieses System hat, wenn nur er erreichbar ist. Auf Linux ist das die für GPUs.</translation>
    </message>
    <message>
        <source>Remove what is there first</source>
        <translation>Vorher entfernen, was da ist</translation>
    </message>
    <message>
        <source>Seldom needed: what is broken is found and repaired.</source>
        <translation>Selten nötig: was kaputt ist, wird gefunden und repariert.</translation>
    </message>
    <message>
        <source>Python that computes</source>
        <translation>Python, das rechnet</translation>
    </message>
    <message>
        <source>Make a report about this computer, for when something does not work.</source>
        <translation>Macht einen Bericht über diesen Rechner, für den Fall, dass etwas nicht geht.</translation>
    </message>
    <message>
        <source>It collects versions, paths, GPUs, the state of the compute environment, the environment variables that matter, and the last errors into a text that can be put into a bug report. The text is in English.</source>
        <translation>Es sammelt Versionen, Pfade, GPUs, den Zustand der Rechenumgebung, die wichtigen Umgebungsvariablen und die letzten Fehler in einem Text für eine Fehlermeldung. Der Text ist englisch.</translation>
    </message>
    <message>
        <source>It holds no passwords and no keys, and the name of the user is left out of paths. Read it before you pass it on. Nothing is sent anywhere.</source>
        <translation>Er enthält keine Passwörter und keine Schlüssel, und der Benutzername wird aus Pfaden weggelassen. Lesen Sie ihn, bevor Sie ihn weitergeben. Nichts wird irgendwohin gesendet.</translation>
    </message>
    <message>
        <source>The text to write. It stands in the log as well, and on the desktop in the clipboard.</source>
        <translation>Der Text, der geschrieben wird. Er steht auch im Protokoll, und auf dem Desktop in der Zwischenablage.</translation>
    </message>
    <message>
        <source>Export the job</source>
        <translation>Auftrag exportieren</translation>
    </message>
    <message>
        <source>The job is written to this JSON file and not run. false-core run FILE runs it elsewhere, and Import results brings back what it made. Labels, and outputs that were to be temporary, lie in a folder beside it. Empty: the job is run.</source>
        <translation>Der Auftrag wird in diese JSON-Datei geschrieben und nicht ausgeführt. false-core run DATEI führt ihn anderswo aus, und Ergebnisse importieren holt zurück, was er gemacht hat. Trainingsflächen, und Ausgaben, die temporär sein sollten, liegen in einem Ordner daneben. Leer: der Auftrag wird ausgeführt.</translation>
    </message>
    <message>
        <source>Assess a map</source>
        <translation>Eine Karte bewerten</translation>
    </message>
    <message>
        <source>This is a trial on a part of the raster. Its results are temporary, and no other step is offered them.</source>
        <translation>Dies ist ein Versuch auf einem Teil des Rasters. Seine Ergebnisse sind temporär und werden keinem anderen Schritt vorgeschlagen.</translation>
    </message>
    <message>
        <source>{name} cannot be used: {value}.</source>
        <translation>{name} kann nicht verwendet werden: {value}.</translation>
    </message>
    <message>
        <source>{algorithm} has no parameter {name}. It has {names}.</source>
        <translation>{algorithm} hat keinen Parameter {name}. Es hat {names}.</translation>
    </message>
    <message>
        <source>Estimate</source>
        <translation>Schätzen</translation>
    </message>
    <message>
        <source>The classes are taken from the field {field}.</source>
        <translation>Die Klassen kommen aus dem Feld {field}.</translation>
    </message>
    <message>
        <source>Find change</source>
        <translation>Veränderungen finden</translation>
    </message>
    <message>
        <source>Check the compute environment</source>
        <translation>Rechenumgebung prüfen</translation>
    </message>
    <message>
        <source>3. Classify a raster</source>
        <translation>3. Ein Raster klassifizieren</translation>
    </message>
    <message>
        <source>Classify areas</source>
        <translation>Flächen klassifizieren</translation>
    </message>
    <message>
        <source>Classify many rasters</source>
        <translation>Viele Raster klassifizieren</translation>
    </message>
    <message>
        <source>Choose places to learn from</source>
        <translation>Lernorte auswählen</translation>
    </message>
    <message>
        <source>Compare two maps</source>
        <translation>Zwei Karten vergleichen</translation>
    </message>
    <message>
        <source>Diagnostics</source>
        <translation>Diagnose</translation>
    </message>
    <message>
        <source>The report cannot be written to {path}: {reason}.</source>
        <translation>Der Bericht lässt sich nicht nach {path} schreiben: {reason}.</translation>
    </message>
    <message>
        <source>The report is in the clipboard: paste it into your bug report.</source>
        <translation>Der Bericht ist in der Zwischenablage: Fügen Sie ihn in Ihre Fehlermeldung ein.</translation>
    </message>
    <message>
        <source>Correct a map</source>
        <translation>Eine Karte berichtigen</translation>
    </message>
    <message>
        <source>What the encoder sees</source>
        <translation>Was der Encoder sieht</translation>
    </message>
    <message>
        <source>Estimate time, memory and disk</source>
        <translation>Zeit, Speicher und Platz schätzen</translation>
    </message>
    <message>
        <source>2. Make example data</source>
        <translation>2. Beispieldaten erzeugen</translation>
    </message>
    <message>
        <source>Export a model for Deepness</source>
        <translation>Ein Modell für Deepness exportieren</translation>
    </message>
    <message>
        <source>Find similar places</source>
        <translation>Ähnliche Orte finden</translation>
    </message>
    <message>
        <source>2. Fine-tune a model (few labels)</source>
        <translation>2. Ein Modell feintrainieren (wenige Trainingsflächen)</translation>
    </message>
    <message>
        <source>1 Start here</source>
        <translation>1 Hier anfangen</translation>
    </message>
    <message>
        <source>2 Map</source>
        <translation>2 Kartieren</translation>
    </message>
    <message>
        <source>3 Check</source>
        <translation>3 Prüfen</translation>
    </message>
    <message>
        <source>4 Improve</source>
        <translation>4 Verbessern</translation>
    </message>
    <message>
        <source>5 Models and files</source>
        <translation>5 Modelle und Dateien</translation>
    </message>
    <message>
        <source>Hand in a map</source>
        <translation>Eine Karte abgeben</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>unbekannt</translation>
    </message>
    <message>
        <source>Import results</source>
        <translation>Ergebnisse importieren</translation>
    </message>
    <message>
        <source>Result</source>
        <translation>Ergebnis</translation>
    </message>
    <message>
        <source>{kind} files (*.{extension})</source>
        <translation>{kind}-Dateien (*.{extension})</translation>
    </message>
    <message>
        <source>{label}, as 1,2,3</source>
        <translation>{label}, als 1,2,3</translation>
    </message>
    <message>
        <source>Not a raster that can be opened: {names}.</source>
        <translation>Kein Raster, das sich öffnen lässt: {names}.</translation>
    </message>
    <message>
        <source>All files (*)</source>
        <translation>Alle Dateien (*)</translation>
    </message>
    <message>
        <source>The extent {extent} cannot be read or is empty. Write it as xmin,xmax,ymin,ymax [EPSG:code].</source>
        <translation>Die Ausdehnung {extent} lässt sich nicht lesen oder ist leer. Schreiben Sie sie als xmin,xmax,ymin,ymax [EPSG:code].</translation>
    </message>
    <message>
        <source>{name} must be a file, for example a GeoPackage; it is {path}.</source>
        <translation>{name} muss eine Datei sein, zum Beispiel ein GeoPackage; es ist {path}.</translation>
    </message>
    <message>
        <source>HTML files (*.html)</source>
        <translation>HTML-Dateien (*.html)</translation>
    </message>
    <message>
        <source>CSV files (*.csv)</source>
        <translation>CSV-Dateien (*.csv)</translation>
    </message>
    <message>
        <source>About a model file</source>
        <translation>Über eine Modelldatei</translation>
    </message>
    <message>
        <source>Outline objects from points</source>
        <translation>Objekte von Punkten aus umreißen</translation>
    </message>
    <message>
        <source>Map to polygons</source>
        <translation>Karte zu Polygonen</translation>
    </message>
    <message>
        <source>1. Pretrain an encoder (no labels)</source>
        <translation>1. Einen Encoder vortrainieren (ohne Trainingsflächen)</translation>
    </message>
    <message>
        <source>{source} is no layer that can be opened. The file may be damaged, or of another kind.</source>
        <translation>{source} ist kein Layer, der sich öffnen lässt. Die Datei ist vielleicht beschädigt oder von anderer Art.</translation>
    </message>
    <message>
        <source>{name} is missing. It may be one of {names}. Where the layer is styled by its classes, that field is taken.</source>
        <translation>{name} fehlt. Es kann eines von {names} sein. Wo der Layer nach seinen Klassen gestaltet ist, wird dieses Feld genommen.</translation>
    </message>
    <message>
        <source>there is no file {path}.</source>
        <translation>es gibt keine Datei {path}.</translation>
    </message>
    <message>
        <source>there is no folder {folder}. Create it, or choose another one.</source>
        <translation>es gibt keinen Ordner {folder}. Legen Sie ihn an, oder wählen Sie einen anderen.</translation>
    </message>
    <message>
        <source>{name} must be a whole number; it is {value}.</source>
        <translation>{name} muss eine ganze Zahl sein; es ist {value}.</translation>
    </message>
    <message>
        <source>{name} must be {limits}; it is {value}.</source>
        <translation>{name} muss {limits} sein; es ist {value}.</translation>
    </message>
    <message>
        <source>{name} must be a number; it is {value}.</source>
        <translation>{name} muss eine Zahl sein; es ist {value}.</translation>
    </message>
    <message>
        <source>at least {limit}</source>
        <translation>mindestens {limit}</translation>
    </message>
    <message>
        <source>at most {limit}</source>
        <translation>höchstens {limit}</translation>
    </message>
    <message>
        <source> and </source>
        <translation> und </translation>
    </message>
    <message>
        <source>{name} is missing.</source>
        <translation>{name} fehlt.</translation>
    </message>
    <message>
        <source>{name} must be one of {names}; it is {value}.</source>
        <translation>{name} muss eines von {names} sein; es ist {value}.</translation>
    </message>
    <message>
        <source>Sample points to assess a map</source>
        <translation>Punkte ziehen, um eine Karte zu bewerten</translation>
    </message>
    <message>
        <source>1. Set up the compute environment</source>
        <translation>1. Rechenumgebung einrichten</translation>
    </message>
    <message>
        <source>Ready. It computes with {path}.</source>
        <translation>Fertig. Gerechnet wird mit {path}.</translation>
    </message>
    <message>
        <source>Where to digitise next</source>
        <translation>Wo als Nächstes digitalisieren</translation>
    </message>
    <message>
        <source>Automatic</source>
        <translation>Automatisch</translation>
    </message>
    <message>
        <source>Single precision</source>
        <translation>Einfache Genauigkeit</translation>
    </message>
    <message>
        <source>Fast map, in 8 bits (CPU)</source>
        <translation>Schnelle Karte, in 8 Bit (CPU)</translation>
    </message>
    <message>
        <source>Quick</source>
        <translation>Schnell</translation>
    </message>
    <message>
        <source>Standard</source>
        <translation>Standard</translation>
    </message>
    <message>
        <source>As published</source>
        <translation>Wie veröffentlicht</translation>
    </message>
    <message>
        <source>Linear</source>
        <translation>Linear</translation>
    </message>
    <message>
        <source>Texture</source>
        <translation>Textur</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>Netz</translation>
    </message>
    <message>
        <source>Elsewhere</source>
        <translation>Anderswo</translation>
    </message>
    <message>
        <source>At random</source>
        <translation>Zufällig</translation>
    </message>
    <message>
        <source>By features</source>
        <translation>Nach Merkmalen</translation>
    </message>
    <message>
        <source>By gradients</source>
        <translation>Nach Gradienten</translation>
    </message>
    <message>
        <source>Nothing</source>
        <translation>Nichts</translation>
    </message>
    <message>
        <source>What normalises</source>
        <translation>Was normalisiert</translation>
    </message>
    <message>
        <source>Levels up to a stride of 2 pixels</source>
        <translation>Ebenen bis zu einer Schrittweite von 2 Pixeln</translation>
    </message>
    <message>
        <source>Levels up to a stride of 4 pixels</source>
        <translation>Ebenen bis zu einer Schrittweite von 4 Pixeln</translation>
    </message>
    <message>
        <source>Levels up to a stride of 8 pixels</source>
        <translation>Ebenen bis zu einer Schrittweite von 8 Pixeln</translation>
    </message>
    <message>
        <source>Levels up to a stride of 16 pixels</source>
        <translation>Ebenen bis zu einer Schrittweite von 16 Pixeln</translation>
    </message>
    <message>
        <source>Before</source>
        <translation>Vorher</translation>
    </message>
    <message>
        <source>After</source>
        <translation>Nachher</translation>
    </message>
    <message>
        <source>At both dates</source>
        <translation>Zu beiden Zeitpunkten</translation>
    </message>
    <message>
        <source>None</source>
        <translation>Keine</translation>
    </message>
    <message>
        <source>Yes</source>
        <translation>Ja</translation>
    </message>
    <message>
        <source>No</source>
        <translation>Nein</translation>
    </message>
    <message>
        <source>From the package index</source>
        <translation>Aus dem Paketindex</translation>
    </message>
    <message>
        <source>Untrained</source>
        <translation>Untrainiert</translation>
    </message>
    <message>
        <source>NVIDIA GPU</source>
        <translation>NVIDIA-GPU</translation>
    </message>
    <message>
        <source>CPU</source>
        <translation>CPU</translation>
    </message>
    <message>
        <source>Apple GPU</source>
        <translation>Apple-GPU</translation>
    </message>
    <message>
        <source>Only remote ones</source>
        <translation>Nur entfernte</translation>
    </message>
    <message>
        <source>All</source>
        <translation>Alle</translation>
    </message>
    <message>
        <source>Warnings</source>
        <translation>Warnungen</translation>
    </message>
    <message>
        <source>Messages</source>
        <translation>Meldungen</translation>
    </message>
    <message>
        <source>Everything</source>
        <translation>Alles</translation>
    </message>
    <message>
        <source>{name} is a temporary file. Name one that stays.</source>
        <translation>{name} ist eine temporäre Datei. Nennen Sie eine, die bleibt.</translation>
    </message>
    <message>
        <source>A temporary file of QGIS cannot go with an exported job, as it is gone when QGIS ends: {paths}. Save it elsewhere, and choose that.</source>
        <translation>Eine temporäre Datei von QGIS kann nicht mit einem exportierten Auftrag gehen, denn sie ist weg, wenn QGIS endet: {paths}. Speichern Sie sie anderswo und wählen Sie diese.</translation>
    </message>
    <message>
        <source>{path} is a file of the job itself. Choose another name for the exported job.</source>
        <translation>{path} ist eine Datei des Auftrags selbst. Wählen Sie einen anderen Namen für den exportierten Auftrag.</translation>
    </message>
    <message>
        <source>The job is in {path}. Nothing was run.</source>
        <translation>Der Auftrag ist in {path}. Ausgeführt wurde nichts.</translation>
    </message>
    <message>
        <source>Run it with: {command}</source>
        <translation>Auszuführen mit: {command}</translation>
    </message>
    <message>
        <source>Nothing that the job {path} makes is there.</source>
        <translation>Nichts von dem, was der Auftrag {path} macht, ist da.</translation>
    </message>
    <message>
        <source>The folder {path} is a link. Choose another name for the exported job.</source>
        <translation>Der Ordner {path} ist eine Verknüpfung. Wählen Sie einen anderen Namen für den exportierten Auftrag.</translation>
    </message>
    <message>
        <source>The folder {path} cannot be made: {reason}.</source>
        <translation>Der Ordner {path} kann nicht angelegt werden: {reason}.</translation>
    </message>
    <message>
        <source>The job cannot be written to {path}: {reason}.</source>
        <translation>Der Auftrag kann nicht nach {path} geschrieben werden: {reason}.</translation>
    </message>
    <message>
        <source>What goes with it is in {folder}: keep the two together.</source>
        <translation>Was dazugehört, ist in {folder}: lassen Sie die beiden zusammen.</translation>
    </message>
    <message>
        <source>{name} was to be a temporary file. It goes to {path}.</source>
        <translation>{name} sollte eine temporäre Datei sein. Sie kommt nach {path}.</translation>
    </message>
    <message>
        <source>{name} is not there: {path}. Either the job is not finished, or its files have another path here: say so as path mapping.</source>
        <translation>{name} ist nicht da: {path}. Entweder ist der Auftrag nicht fertig, oder seine Dateien haben hier einen anderen Pfad: sagen Sie das als Zuordnung der Pfade.</translation>
    </message>
    <message>
        <source>The job {path} makes no files.</source>
        <translation>Der Auftrag {path} macht keine Dateien.</translation>
    </message>
    <message>
        <source>{path} is older than the job: perhaps another run made it.</source>
        <translation>{path} ist älter als der Auftrag: vielleicht stammt die Datei von einem anderen Lauf.</translation>
    </message>
    <message>
        <source>{name} is not there: {path}.</source>
        <translation>{name} ist nicht da: {path}.</translation>
    </message>
    <message>
        <source>Cancelled.</source>
        <translation>Abgebrochen.</translation>
    </message>
    <message>
        <source>It left no message.</source>
        <translation>Er hat keine Meldung hinterlassen.</translation>
    </message>
    <message>
        <source>{time} left</source>
        <translation>noch {time}</translation>
    </message>
    <message>
        <source>The compute process failed after its result: {how}.</source>
        <translation>Der Rechenprozess scheiterte nach seinem Ergebnis: {how}.</translation>
    </message>
    <message>
        <source>The compute process was told to stop, but not by QGIS.</source>
        <translation>Der Rechenprozess wurde angehalten, aber nicht von QGIS.</translation>
    </message>
    <message>
        <source>Its last lines:</source>
        <translation>Seine letzten Zeilen:</translation>
    </message>
    <message>
        <source>The compute process said something that is not an event: {error}.</source>
        <translation>Der Rechenprozess hat etwas gesagt, das kein Ereignis ist: {error}.</translation>
    </message>
    <message>
        <source>The compute process says it has finished, but {name} is not there: {path}.</source>
        <translation>Der Rechenprozess sagt, er sei fertig, aber {name} ist nicht da: {path}.</translation>
    </message>
    <message>
        <source>it crashed ({reason})</source>
        <translation>er ist abgestürzt ({reason})</translation>
    </message>
    <message>
        <source>it stopped talking, and did not go</source>
        <translation>er hat aufgehört zu reden und sich nicht beendet</translation>
    </message>
    <message>
        <source>it exited as if all were well (code 0)</source>
        <translation>er hat sich beendet, als sei alles in Ordnung (Code 0)</translation>
    </message>
    <message>
        <source>exit code {code}</source>
        <translation>Exit-Code {code}</translation>
    </message>
    <message>
        <source>it was killed (SIGKILL), most often because the computer ran out of memory. Try a smaller batch size</source>
        <translation>er wurde abgebrochen (SIGKILL), meist weil dem Rechner der Speicher ausging. Versuchen Sie eine kleinere Batchgröße</translation>
    </message>
    <message>
        <source>The cache folder {folder} cannot be written to: {reason}.</source>
        <translation>In den Cache-Ordner {folder} kann nicht geschrieben werden: {reason}.</translation>
    </message>
    <message>
        <source>The launcher has {name}, which stands for nothing. It may have {names}.</source>
        <translation>Im Startbefehl steht {name}, das für nichts steht. Möglich sind {names}.</translation>
    </message>
    <message>
        <source>The launcher {template} cannot be read: a quotation mark is left open.</source>
        <translation>Der Startbefehl {template} ist nicht lesbar: ein Anführungszeichen bleibt offen.</translation>
    </message>
    <message>
        <source>The path mapping {part} cannot be read. Write it as FOLDER HERE=FOLDER THERE, both from the root, and several with semicolons between them.</source>
        <translation>Die Zuordnung der Pfade {part} ist nicht lesbar. Schreiben Sie ORDNER HIER=ORDNER DORT, beide von der Wurzel an, mehrere mit Semikolons dazwischen.</translation>
    </message>
    <message>
        <source>The launcher started version {library} of the library, and the plugin is of {plugin}. Install the same one there: {command}</source>
        <translation>Der Startbefehl hat Version {library} der Bibliothek gestartet, und das Plugin hat {plugin}. Installieren Sie dort die gleiche: {command}</translation>
    </message>
    <message>
        <source>{program}, the launcher, ended before anything was heard of the job: {how}.</source>
        <translation>{program}, der Startbefehl, endete, bevor vom Auftrag etwas zu hören war: {how}.</translation>
    </message>
    <message>
        <source>Starting with the launcher: {command}</source>
        <translation>Start mit dem Startbefehl: {command}</translation>
    </message>
    <message>
        <source>{program}, the launcher, passed on nothing, and this job writes no file to judge by.</source>
        <translation>{program}, der Startbefehl, gab nichts weiter, und dieser Auftrag schreibt keine Datei, nach der man urteilen könnte.</translation>
    </message>
    <message>
        <source>The path mapping says nothing about {paths}. The launcher is to find them under the same path.</source>
        <translation>Die Zuordnung der Pfade sagt nichts über {paths}. Der Startbefehl muss sie unter demselben Pfad finden.</translation>
    </message>
    <message>
        <source>The launcher passed on no events, but the outputs are there.</source>
        <translation>Der Startbefehl hat keine Ereignisse weitergegeben, aber die Ausgaben sind da.</translation>
    </message>
    <message>
        <source>The compute process ended without a result: {how}.</source>
        <translation>Der Rechenprozess endete ohne Ergebnis: {how}.</translation>
    </message>
    <message>
        <source>The compute environment {python} has no {packages}.</source>
        <translation>Der Rechenumgebung {python} fehlt: {packages}.</translation>
    </message>
    <message>
        <source>The compute environment {python} is older than Python 3.10.</source>
        <translation>Die Rechenumgebung {python} ist älter als Python 3.10.</translation>
    </message>
    <message>
        <source>Computing with {path} (from {origin})</source>
        <translation>Gerechnet wird mit {path} (Quelle: {origin})</translation>
    </message>
    <message>
        <source>Cancelled. Nothing that was there before has changed.</source>
        <translation>Abgebrochen. Was vorher da war, ist unverändert.</translation>
    </message>
    <message>
        <source>the processor, without a GPU</source>
        <translation>der Prozessor, ohne GPU</translation>
    </message>
    <message>
        <source>the GPU {name}</source>
        <translation>die GPU {name}</translation>
    </message>
    <message>
        <source>a GPU where there is a working one</source>
        <translation>eine GPU, wo es eine gibt, die läuft</translation>
    </message>
    <message>
        <source>the GPU</source>
        <translation>die GPU</translation>
    </message>
    <message>
        <source>Find out how long this takes, and how much memory and disk, without doing it. It takes some seconds.</source>
        <translation>Herausfinden, wie lange das dauert und wie viel Arbeitsspeicher und Platz es braucht, ohne es auszuführen. Das dauert einige Sekunden.</translation>
    </message>
    <message>
        <source>Does it on the part of the raster that the map shows, in about a minute: at most {pixels} pixels across, and {steps} steps of a training. Its results are temporary; what is entered here stays.</source>
        <translation>Rechnet nur auf dem Teil des Rasters, den die Karte zeigt, in etwa einer Minute: höchstens {pixels} Pixel im Quadrat, und {steps} Schritte eines Trainings. Die Ergebnisse sind temporär, die Eingaben hier bleiben.</translation>
    </message>
    <message>
        <source>A part can be tried where a raster of this computer or a layer comes first, and without stages.</source>
        <translation>Ein Teil lässt sich ausprobieren, wenn ein Raster dieses Rechners oder ein Layer an erster Stelle steht, und ohne Stufen.</translation>
    </message>
    <message>
        <source>Is this meant?</source>
        <translation>Ist das so gemeint?</translation>
    </message>
    <message>
        <source>Export the job...</source>
        <translation>Auftrag exportieren...</translation>
    </message>
    <message>
        <source>This did not end well</source>
        <translation>Das ist nicht gut ausgegangen</translation>
    </message>
    <message>
        <source>Go on all the same?</source>
        <translation>Trotzdem weitermachen?</translation>
    </message>
    <message>
        <source>Try it small</source>
        <translation>Klein ausprobieren</translation>
    </message>
    <message>
        <source>Nothing can be computed yet</source>
        <translation>Es kann noch nichts gerechnet werden</translation>
    </message>
    <message>
        <source>Set up...</source>
        <translation>Einrichten...</translation>
    </message>
    <message>
        <source>Options...</source>
        <translation>Optionen...</translation>
    </message>
    <message>
        <source>from the preset: {value}</source>
        <translation>aus der Voreinstellung: {value}</translation>
    </message>
    <message>
        <source>from the preset</source>
        <translation>aus der Voreinstellung</translation>
    </message>
    <message>
        <source>yes</source>
        <translation>ja</translation>
    </message>
    <message>
        <source>no</source>
        <translation>nein</translation>
    </message>
    <message>
        <source>{file} is held by another program, such as a second QGIS that edits it, a database browser or a synchronised folder. Save or end the editing there.</source>
        <translation>{file} wird von einem anderen Programm belegt, etwa einem zweiten QGIS, das sie bearbeitet, einem Datenbank-Browser oder einem synchronisierten Ordner. Speichern oder beenden Sie die Bearbeitung dort.</translation>
    </message>
    <message>
        <source>unknown, draw {number} more</source>
        <translation>unbekannt, noch {number} zeichnen</translation>
    </message>
    <message>
        <source>after {number} more</source>
        <translation>noch {number} nötig</translation>
    </message>
    <message>
        <source>Class</source>
        <translation>Klasse</translation>
    </message>
    <message>
        <source>Accuracy</source>
        <translation>Güte</translation>
    </message>
    <message>
        <source>Number of labels</source>
        <translation>Zahl der Trainingsflächen</translation>
    </message>
    <message>
        <source>Share of the labels of the class that the map shows as this class when it has not learned from them (producer's accuracy), with the limits between which it lies in 95 of 100 cases.</source>
        <translation>Anteil der Trainingsflächen der Klasse, die die Karte als diese Klasse zeigt, wenn sie nicht aus ihnen gelernt hat (Herstellergenauigkeit), mit den Grenzen, zwischen denen er in 95 von 100 Fällen liegt.</translation>
    </message>
    <message>
        <source>Double click to change it.</source>
        <translation>Ein Doppelklick ändert es.</translation>
    </message>
    <message>
        <source>The layer {layer} has no style that shows classes.</source>
        <translation>Der Layer {layer} hat keinen Stil, der Klassen zeigt.</translation>
    </message>
    <message>
        <source>There is no new class in {path}. Write one name per line, with a colour if you like.</source>
        <translation>In {path} steht keine neue Klasse. Schreiben Sie einen Namen je Zeile, wenn Sie wollen mit einer Farbe.</translation>
    </message>
    <message>
        <source>The classes cannot be read from {path}: {reason}.</source>
        <translation>Die Klassen können nicht aus {path} gelesen werden: {reason}.</translation>
    </message>
    <message>
        <source>A map holds {number} classes at most, and these are more.</source>
        <translation>Eine Karte hat höchstens {number} Klassen, und dies sind mehr.</translation>
    </message>
    <message>
        <source>The library of the compute environment speaks another version. Set the environment up again.</source>
        <translation>Die Bibliothek der Rechenumgebung spricht eine andere Version. Richten Sie die Rechenumgebung neu ein.</translation>
    </message>
    <message>
        <source>The computing process said something that is no answer: {error}.</source>
        <translation>Der Rechenprozess hat etwas gesagt, das keine Antwort ist: {error}.</translation>
    </message>
    <message>
        <source>{number} {number:label waits|labels wait} in {path} for a QGIS on the computer {host}. Take {number:it|them} up if that QGIS is gone.</source>
        <translation>{number} {number:Trainingsfläche wartet|Trainingsflächen warten} in {path} auf ein QGIS auf dem Rechner {host}. Übernehmen Sie sie, wenn es dieses QGIS nicht mehr gibt.</translation>
    </message>
    <message>
        <source>FALSE: label and map</source>
        <translation>FALSE: zeichnen und kartieren</translation>
    </message>
    <message>
        <source>Label another raster</source>
        <translation>In ein anderes Raster zeichnen</translation>
    </message>
    <message>
        <source>Help</source>
        <translation>Hilfe</translation>
    </message>
    <message>
        <source>Start again</source>
        <translation>Neu starten</translation>
    </message>
    <message>
        <source>Ends the session and begins another one. No label is lost.</source>
        <translation>Beendet die Sitzung und beginnt eine neue. Keine Trainingsfläche geht verloren.</translation>
    </message>
    <message>
        <source>{raster}, labels in {file}</source>
        <translation>{raster}, Trainingsflächen in {file}</translation>
    </message>
    <message>
        <source>Take them up</source>
        <translation>Übernehmen</translation>
    </message>
    <message>
        <source>Classes</source>
        <translation>Klassen</translation>
    </message>
    <message>
        <source>Draw</source>
        <translation>Zeichnen</translation>
    </message>
    <message>
        <source>Live map</source>
        <translation>Laufende Karte</translation>
    </message>
    <message>
        <source>When you like what you see</source>
        <translation>Wenn Ihnen gefällt, was Sie sehen</translation>
    </message>
    <message>
        <source>Label this raster</source>
        <translation>In dieses Raster zeichnen</translation>
    </message>
    <message>
        <source>Try it with example data...</source>
        <translation>Mit Beispieldaten ausprobieren...</translation>
    </message>
    <message>
        <source>Your first map</source>
        <translation>Ihre erste Karte</translation>
    </message>
    <message>
        <source>From an image to a map, step by step, with pictures.</source>
        <translation>Vom Bild zur Karte, Schritt für Schritt, mit Bildern.</translation>
    </message>
    <message>
        <source>Set up... downloads 0.5 GB, or 3 GB where there is an NVIDIA GPU, and takes some minutes.</source>
        <translation>Einrichten... lädt 0,5 GB herunter, mit einer NVIDIA-GPU 3 GB, und dauert einige Minuten.</translation>
    </message>
    <message>
        <source>Choose the raster that you want a map of.</source>
        <translation>Wählen Sie das Raster, von dem Sie eine Karte wollen.</translation>
    </message>
    <message>
        <source>Add a raster to the project: the image that you want a map of. Or begin with example data.</source>
        <translation>Fügen Sie dem Projekt ein Raster hinzu: das Bild, von dem Sie eine Karte wollen. Oder beginnen Sie mit Beispieldaten.</translation>
    </message>
    <message>
        <source>Have something to work on</source>
        <translation>Etwas haben, woran man arbeitet</translation>
    </message>
    <message>
        <source>Add your image to the project, or make one with Raster &gt; FALSE &gt; Make example data. Computing happens in a Python of its own: where it is missing, the dock says so and has a button that sets it up.</source>
        <translation>Fügen Sie Ihr Bild dem Projekt hinzu, oder lassen Sie mit Raster &gt; FALSE &gt; Beispieldaten erzeugen eines machen. Gerechnet wird in einem eigenen Python: Fehlt es, sagt das Dock es und hat einen Knopf, der es einrichtet.</translation>
    </message>
    <message>
        <source>Open the dock</source>
        <translation>Das Dock öffnen</translation>
    </message>
    <message>
        <source>Press FALSE: label and map in the toolbar, choose the image, and press Label this raster. The labels go to a file beside the image at once: there is nothing to save.</source>
        <translation>Drücken Sie in der Werkzeugleiste auf FALSE: zeichnen und kartieren, wählen Sie das Bild und drücken Sie „In dieses Raster zeichnen“. Die Trainingsflächen liegen sofort in einer Datei neben dem Bild: Es gibt nichts zu speichern.</translation>
    </message>
    <message>
        <source>Name the classes</source>
        <translation>Die Klassen benennen</translation>
    </message>
    <message>
        <source>Press Add... for each class, or take the names from a layer, a text file or a model with From... Every land cover needs a class, also the one that does not interest you: each pixel becomes one of them.</source>
        <translation>Drücken Sie für jede Klasse „Hinzufügen...“, oder übernehmen Sie mit „Aus...“ die Namen aus einem Layer, einer Textdatei oder einem Modell. Jede Landbedeckung braucht eine Klasse, auch die, die Sie nicht interessiert: Jedes Pixel wird eine davon.</translation>
    </message>
    <message>
        <source>Draw the first labels</source>
        <translation>Die ersten Trainingsflächen zeichnen</translation>
    </message>
    <message>
        <source>Choose a class with its key, 1 to 9, and the tool Polygon. Zoom in, click each corner well inside the object, and complete the polygon with Enter or a right click. Del takes back the last corner, Esc gives up, Ctrl+Z takes back a whole label.</source>
        <translation>Wählen Sie eine Klasse mit ihrer Taste, 1 bis 9, und das Werkzeug Polygon. Zoomen Sie hinein, klicken Sie jede Ecke deutlich innerhalb des Objekts an und schließen Sie das Polygon mit der Eingabetaste oder einem Rechtsklick ab. Entf nimmt die letzte Ecke zurück, Esc bricht ab, Strg+Z nimmt eine ganze Trainingsfläche zurück.</translation>
    </message>
    <message>
        <source>See the map, and draw where it is wrong</source>
        <translation>Die Karte ansehen und zeichnen, wo sie falsch ist</translation>
    </message>
    <message>
        <source>With one label of each of two classes the map appears. Many small labels all over the image teach more than a large one. Beside each class stands how well its labels are found; wide limits mean that more are needed.</source>
        <translation>Mit je einer Trainingsfläche zweier Klassen erscheint die Karte. Viele kleine, über das ganze Bild verteilt, lehren mehr als eine große. Neben jeder Klasse steht, wie gut ihre Trainingsflächen gefunden werden; weite Grenzen bedeuten, dass mehr nötig sind.</translation>
    </message>
    <message>
        <source>Go where a label teaches most</source>
        <translation>Dorthin gehen, wo eine Trainingsfläche am meisten lehrt</translation>
    </message>
    <message>
        <source>Press N. In the yellow square the map is unsure: draw what you see there, and press N again.</source>
        <translation>Drücken Sie N. In dem gelben Quadrat ist die Karte unsicher: Zeichnen Sie, was Sie dort sehen, und drücken Sie wieder N.</translation>
    </message>
    <message>
        <source>Make the map</source>
        <translation>Karte erstellen</translation>
    </message>
    <message>
        <source>Make the map saves the model and maps the whole image. To find out how good the map is, run Sample points to assess a map, fill them in with the button in the dock, and run Assess a map. Hand in a map then puts everything into one folder.</source>
        <translation>„Karte erstellen“ speichert das Modell und kartiert das ganze Bild. Wie gut die Karte ist, finden Sie so heraus: „Punkte ziehen, um eine Karte zu bewerten“, die Punkte mit dem Knopf im Dock ausfüllen, dann „Eine Karte bewerten“. „Eine Karte abgeben“ legt dann alles in einen Ordner.</translation>
    </message>
    <message>
        <source>Do more by scripts</source>
        <translation>Mehr mit Skripten</translation>
    </message>
    <message>
        <source>In the folder processing_scripts of the plugin lie scripts that chain the algorithms: a map from a few labels, a folder of rasters, a curve of how many labels it takes, and a run on a cluster. Processing Toolbox &gt; Scripts &gt; Add Script to Toolbox takes them.</source>
        <translation>Im Ordner processing_scripts des Plugins liegen Skripte, die die Algorithmen verketten: eine Karte aus wenigen Trainingsflächen, ein Ordner voller Raster, eine Kurve dazu, wie viele Trainingsflächen nötig sind, und ein Lauf auf einem Cluster. Verarbeitungswerkzeuge &gt; Skripte &gt; Skript zu Werkzeugkasten hinzufügen… nimmt sie auf. Texte darin sind englisch.</translation>
    </message>
    <message>
        <source>What it does</source>
        <translation>Wozu es da ist</translation>
    </message>
    <message>
        <source>You draw labels on the raster, and the map that is made of them lies under your labels a moment later. Draw where the map is wrong, and it gets better. When you like it, one button maps the whole raster.</source>
        <translation>Sie zeichnen Trainingsflächen auf das Raster, und einen Augenblick später liegt die Karte, die daraus wird, unter ihnen. Zeichnen Sie dort, wo die Karte falsch ist, und sie wird besser. Wenn sie Ihnen gefällt, kartiert ein Knopf das ganze Raster.</translation>
    </message>
    <message>
        <source>Begin</source>
        <translation>Beginnen</translation>
    </message>
    <message>
        <source>Choose a raster and press Label this raster. Add classes by hand, or take them from the style of a layer, a text file with a name per line, or a model. A double click changes a name or a colour.</source>
        <translation>Wählen Sie ein Raster und drücken Sie In dieses Raster zeichnen. Fügen Sie Klassen von Hand hinzu, oder nehmen Sie sie aus dem Stil eines Layers, einer Textdatei mit einem Namen je Zeile oder einem Modell. Ein Doppelklick ändert Namen oder Farbe.</translation>
    </message>
    <message>
        <source>The general encoder comes with the installation and suits most images. With an encoder file, one that was pretrained on your raster looks at it too. None compares colours and texture alone: quicker, and mostly worse. A model file brings its own, and its classes if there are none yet.</source>
        <translation>Der allgemeine Encoder kommt mit der Installation und passt für die meisten Bilder. Mit einer Encoder-Datei sieht auch einer das Raster an, der darauf vortrainiert wurde. „Keiner“ vergleicht nur Farben und Textur: schneller und meist schlechter. Eine Modelldatei bringt ihren eigenen mit, und ihre Klassen, wenn es noch keine gibt.</translation>
    </message>
    <message>
        <source>Where labels are kept</source>
        <translation>Wo die Trainingsflächen liegen</translation>
    </message>
    <message>
        <source>In a GeoPackage beside the raster. Where that folder is read-only or temporary, in the folder of the project, or in that of your documents while the project is not saved. Each label is in the file before you draw the next one. While another program holds the file, labels are shown in grey and wait in a file of their own beside it; if the work ends meanwhile, they are taken up when the raster is labelled again. It is a plain layer: you may edit it with the tools of QGIS or with another program, and the map follows. The style of the layer is the list of classes.</source>
        <translation>In einem GeoPackage neben dem Raster. Ist dessen Ordner schreibgeschützt oder temporär, im Ordner des Projekts, oder in dem Ihrer Dokumente, solange das Projekt nicht gespeichert ist. Jede Trainingsfläche ist in der Datei, bevor Sie die nächste zeichnen. Solange ein anderes Programm die Datei belegt, sind Trainingsflächen grau zu sehen und warten in einer eigenen Datei daneben; endet die Arbeit inzwischen, werden sie übernommen, wenn das Raster wieder bearbeitet wird. Es ist ein gewöhnlicher Layer: Sie können ihn mit den Werkzeugen von QGIS oder einem anderen Programm bearbeiten, und die Karte folgt. Der Stil des Layers ist die Liste der Klassen.</translation>
    </message>
    <message>
        <source>Polygon: click each corner; Enter or a right click completes it. Stroke: hold the button and draw. Point: one pixel. Outline: click, and what is like that place is outlined; the wheel says how far, Enter or a click into it accepts it.</source>
        <translation>Polygon: Klicken Sie jede Ecke an; die Eingabetaste oder ein Rechtsklick schließt es ab. Strich: Halten Sie die Taste gedrückt und zeichnen Sie. Punkt: ein Pixel. Umriss: Klicken Sie, und was der Stelle ähnlich ist, wird umrandet; das Mausrad sagt, wie weit, die Eingabetaste oder ein Klick hinein nimmt es an.</translation>
    </message>
    <message>
        <source>Keys over the map</source>
        <translation>Tasten über der Karte</translation>
    </message>
    <message>
        <source>1 to 9 choose the class. Enter completes, Esc gives up. Del takes back the last corner, or else removes the labels that are selected. Ctrl+Z and Ctrl+Y undo and redo. N goes to the next place. They count while one of the four tools is chosen; Del, Ctrl+Z and Ctrl+Y also while a tool of QGIS selects in the label layer and that is not being edited.</source>
        <translation>1 bis 9 wählen die Klasse. Die Eingabetaste schließt ab, Esc verwirft. Entf nimmt die letzte Ecke zurück oder entfernt sonst die ausgewählten Trainingsflächen. Strg+Z und Strg+Y machen rückgängig und wiederholen. N geht zur nächsten Stelle. Sie gelten, solange eines der vier Werkzeuge gewählt ist; Entf, Strg+Z und Strg+Y auch, solange ein Werkzeug von QGIS im Layer der Trainingsflächen auswählt und dieser nicht bearbeitet wird.</translation>
    </message>
    <message>
        <source>How good it is</source>
        <translation>Wie gut es ist</translation>
    </message>
    <message>
        <source>Beside each class stands which share of its labels the map finds when it has not learned from them, with the limits between which it lies in 95 of 100 cases. It is unknown while there are too few labels. For the map as a whole, take sample points and Assess a map when it is made.</source>
        <translation>Neben jeder Klasse steht, welchen Anteil ihrer Trainingsflächen die Karte findet, wenn sie nicht aus ihnen gelernt hat, mit den Grenzen, zwischen denen er in 95 von 100 Fällen liegt. Er ist unbekannt, solange es zu wenige Trainingsflächen gibt. Für die Karte als Ganzes nehmen Sie Stichprobenpunkte und Karte bewerten, wenn sie erstellt ist.</translation>
    </message>
    <message>
        <source>Next place</source>
        <translation>Nächste Stelle</translation>
    </message>
    <message>
        <source>The map is unsure there, and a label teaches most. Draw what you see in the square, or press N again to pass it over.</source>
        <translation>Dort ist die Karte unsicher, und eine Trainingsfläche lehrt am meisten. Zeichnen Sie, was Sie in dem Quadrat sehen, oder drücken Sie noch einmal N, um es zu übergehen.</translation>
    </message>
    <message>
        <source>Fill in sample points goes through the points that Sample points to assess a map has drawn, with all maps hidden: 1 to 9 say the class, 0 that it cannot be told, N goes on, Del goes back, Esc ends it. A class that is not on the map is added to the list like any other. Below stands how much of the map is right by the points so far, and how sure that is.</source>
        <translation>Stichprobenpunkte ausfüllen geht die Punkte durch, die der Algorithmus für Stichprobenpunkte gezogen hat; alle Karten sind dabei verborgen. 1 bis 9 sagen die Klasse, 0, dass sie sich nicht sagen lässt, N geht weiter, Entf zurück, Esc beendet es. Eine Klasse, die nicht auf der Karte ist, wird wie jede andere in die Liste aufgenommen. Darunter steht, wie viel der Karte nach den Punkten bis dahin stimmt und wie sicher das ist.</translation>
    </message>
    <message>
        <source>Make the map, and improve it</source>
        <translation>Karte erstellen und verbessern</translation>
    </message>
    <message>
        <source>Make the map saves the model beside the raster and runs Classify a raster, which you can cancel. First it says how long that takes, and how much memory and disk; what takes a minute or more waits for Start, and so does Improve it. The live map gives way to the new one, until you draw the next label. Improve it pretrains an encoder on this raster while you go on, and goes on with it when it is done. You may close the dock meanwhile.</source>
        <translation>Karte erstellen speichert das Modell neben dem Raster und klassifiziert das ganze Raster; Sie können es abbrechen. Vorher sagt es, wie lange das dauert und wie viel Arbeitsspeicher und Platz auf der Platte es braucht; was eine Minute oder länger dauert, wartet auf Starten, ebenso Verbessern. Die laufende Karte macht der neuen Platz, bis Sie die nächste Trainingsfläche zeichnen. Verbessern trainiert einen Encoder auf diesem Raster vor, während Sie weiterzeichnen, und macht mit ihm weiter, wenn er fertig ist. Das Dock darf dabei geschlossen sein.</translation>
    </message>
    <message>
        <source>A finished map</source>
        <translation>Eine fertige Karte</translation>
    </message>
    <message>
        <source>A finished map overwrites a map of the project by the labels that are selected, or by all, or compares two maps: which share of the pixels changed, from which class to which, and where. The result is a new map. Correct a map can also merge and rename classes.</source>
        <translation>„Eine fertige Karte“ überschreibt eine Karte des Projekts mit den gewählten Trainingsflächen oder mit allen, oder vergleicht zwei Karten: welcher Anteil der Pixel sich geändert hat, von welcher Klasse zu welcher und wo. Das Ergebnis ist eine neue Karte. „Eine Karte berichtigen“ kann auch Klassen zusammenlegen und umbenennen.</translation>
    </message>
    <message>
        <source>When the computing stops</source>
        <translation>Wenn das Rechnen abbricht</translation>
    </message>
    <message>
        <source>It begins again by itself and is told all labels. If it keeps stopping, the dock says why, and Start again tries once more. A project that is opened again finds raster, labels, classes and encoder in the dock.</source>
        <translation>Es beginnt von selbst neu und erfährt alle Trainingsflächen. Bricht es immer wieder ab, sagt das Bedienfeld, warum, und Neu starten versucht es noch einmal. Ein Projekt, das wieder geöffnet wird, findet Raster, Trainingsflächen, Klassen und Encoder im Bedienfeld vor.</translation>
    </message>
    <message>
        <source>There is a class {name} already. To merge two classes, remove one: its labels become labels of the other one.</source>
        <translation>Es gibt schon eine Klasse {name}. Um zwei Klassen zu vereinen, entfernen Sie eine: Ihre Trainingsflächen werden zu Trainingsflächen der anderen.</translation>
    </message>
    <message>
        <source>What was drawn encloses no area.</source>
        <translation>Was gezeichnet wurde, umschließt keine Fläche.</translation>
    </message>
    <message>
        <source>The label layer is edited in a transaction, which keeps labels out of the file. End the editing first.</source>
        <translation>Der Layer der Trainingsflächen wird in einer Transaktion bearbeitet, die Trainingsflächen der Datei vorenthält. Beenden Sie zuerst die Bearbeitung.</translation>
    </message>
    <message>
        <source>The label layer has no field {field} any more, which holds the classes. Give it back: a field of whole numbers of that name.</source>
        <translation>Der Layer der Trainingsflächen hat das Feld {field} nicht mehr, das die Klassen enthält. Geben Sie es ihm zurück: ein Feld dieses Namens mit ganzen Zahlen.</translation>
    </message>
    <message>
        <source>What was drawn lies outside what the CRS of the label layer can show.</source>
        <translation>Was gezeichnet wurde, liegt außerhalb dessen, was das KBS des Layers der Trainingsflächen zeigen kann.</translation>
    </message>
    <message>
        <source>The classes cannot be written to {path}: {reason}. It is tried again.</source>
        <translation>Die Klassen lassen sich nicht nach {path} schreiben: {reason}. Es wird erneut versucht.</translation>
    </message>
    <message>
        <source>{path} holds no labels of FALSE: no layer {layer} with a field {field}. Choose another file.</source>
        <translation>{path} enthält keine Trainingsflächen von FALSE: keinen Layer {layer} mit einem Feld {field}. Wählen Sie eine andere Datei.</translation>
    </message>
    <message>
        <source>The labels cannot be written to {path}: {reason}.</source>
        <translation>Die Trainingsflächen lassen sich nicht nach {path} schreiben: {reason}.</translation>
    </message>
    <message>
        <source>the file does not take it</source>
        <translation>die Datei nimmt es nicht an</translation>
    </message>
    <message>
        <source>{number} {number:label of the last time still waits|labels of the last time still wait} in {path}. {number:It is|They are} taken up when this raster is labelled again. {reason}</source>
        <translation>{number} {number:Trainingsfläche vom letzten Mal wartet|Trainingsflächen vom letzten Mal warten} noch in {path}. Sie {number:wird|werden} übernommen, wenn dieses Raster wieder bearbeitet wird. {reason}</translation>
    </message>
    <message>
        <source>{number} {number:label|labels} that still waited for {file} when the work ended {number:is|are} in it now.</source>
        <translation>{number} {number:Trainingsfläche wartete|Trainingsflächen warteten} beim Ende der Arbeit noch auf {file} und {number:ist|sind} jetzt darin.</translation>
    </message>
    <message>
        <source>The session starts...</source>
        <translation>Die Sitzung beginnt...</translation>
    </message>
    <message>
        <source>{how} No label is lost; it starts again.</source>
        <translation>{how} Keine Trainingsfläche ist verloren; sie beginnt neu.</translation>
    </message>
    <message>
        <source>The session has not answered for a minute. Wait, or press Start again.</source>
        <translation>Die Sitzung hat seit einer Minute nicht geantwortet. Warten Sie, oder drücken Sie auf Neu starten.</translation>
    </message>
    <message>
        <source>The session has ended several times. Press Start again.</source>
        <translation>Die Sitzung ist mehrmals abgebrochen. Drücken Sie auf Neu starten.</translation>
    </message>
    <message>
        <source>The raster is open. Add a class for each land cover, with Add... or From...</source>
        <translation>Das Raster ist geöffnet. Legen Sie für jede Landbedeckung eine Klasse an, mit „Hinzufügen...“ oder „Aus...“.</translation>
    </message>
    <message>
        <source>The raster is open. Draw labels of at least two classes.</source>
        <translation>Das Raster ist geöffnet. Zeichnen Sie Trainingsflächen von mindestens zwei Klassen.</translation>
    </message>
    <message>
        <source>The labels are being looked at.</source>
        <translation>Die Trainingsflächen werden angesehen.</translation>
    </message>
    <message>
        <source>Learned from {number} labels.</source>
        <translation>Aus {number} Trainingsflächen gelernt.</translation>
    </message>
    <message>
        <source>{number} {number:label waits for its|labels wait for their} part of the raster.</source>
        <translation>{number} {number:Trainingsfläche wartet|Trainingsflächen warten} auf ihren Teil des Rasters.</translation>
    </message>
    <message>
        <source>{number} {number:label lies|labels lie} outside of the raster.</source>
        <translation>{number} {number:Trainingsfläche liegt|Trainingsflächen liegen} außerhalb des Rasters.</translation>
    </message>
    <message>
        <source>{percent} % of the view is computed.</source>
        <translation>{percent} % des Ausschnitts sind berechnet.</translation>
    </message>
    <message>
        <source>Takes the class away. Its labels become labels of another one, or go too.</source>
        <translation>Nimmt die Klasse weg. Ihre Trainingsflächen werden zu solchen einer anderen, oder verschwinden mit ihr.</translation>
    </message>
    <message>
        <source>A layer of the project...</source>
        <translation>Einem Layer des Projekts...</translation>
    </message>
    <message>
        <source>A text file...</source>
        <translation>Einer Textdatei...</translation>
    </message>
    <message>
        <source>From...</source>
        <translation>Aus...</translation>
    </message>
    <message>
        <source>Takes the classes from a layer, a text file or a model.</source>
        <translation>Nimmt die Klassen aus einem Layer, einer Textdatei oder einem Modell.</translation>
    </message>
    <message>
        <source>(remove its labels)</source>
        <translation>(ihre Trainingsflächen entfernen)</translation>
    </message>
    <message>
        <source>Remove a class</source>
        <translation>Klasse entfernen</translation>
    </message>
    <message>
        <source>The labels of {name} become labels of</source>
        <translation>Die Trainingsflächen von {name} werden zu</translation>
    </message>
    <message>
        <source>New class</source>
        <translation>Neue Klasse</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
    <message>
        <source>Classes of a layer</source>
        <translation>Klassen eines Layers</translation>
    </message>
    <message>
        <source>Layer</source>
        <translation>Layer</translation>
    </message>
    <message>
        <source>Take its {number} {number:shape as a label|shapes as labels} too?</source>
        <translation>Auch seine {number} {number:Fläche als Trainingsfläche|Flächen als Trainingsflächen} nehmen?</translation>
    </message>
    <message>
        <source>Classes of a text file</source>
        <translation>Klassen einer Textdatei</translation>
    </message>
    <message>
        <source>Model file</source>
        <translation>Modelldatei</translation>
    </message>
    <message>
        <source>Add...</source>
        <translation>Hinzufügen...</translation>
    </message>
    <message>
        <source>Remove...</source>
        <translation>Entfernen...</translation>
    </message>
    <message>
        <source>No layer of the project has a style that shows classes.</source>
        <translation>Kein Layer des Projekts hat einen Stil, der Klassen zeigt.</translation>
    </message>
    <message>
        <source>A model file...</source>
        <translation>Einer Modelldatei...</translation>
    </message>
    <message>
        <source>Pixels on the screen.</source>
        <translation>Pixel auf dem Bildschirm.</translation>
    </message>
    <message>
        <source>Polygon</source>
        <translation>Polygon</translation>
    </message>
    <message>
        <source>Click each corner. Enter or a right click completes the polygon.</source>
        <translation>Klicken Sie jede Ecke an. Die Eingabetaste oder ein Rechtsklick schließt das Polygon ab.</translation>
    </message>
    <message>
        <source>Stroke</source>
        <translation>Strich</translation>
    </message>
    <message>
        <source>Hold the button and draw as with a brush.</source>
        <translation>Halten Sie die Taste gedrückt, und zeichnen Sie wie mit einem Pinsel.</translation>
    </message>
    <message>
        <source>Point</source>
        <translation>Punkt</translation>
    </message>
    <message>
        <source>Click: one pixel becomes a label.</source>
        <translation>Klicken Sie: Ein Pixel wird zur Trainingsfläche.</translation>
    </message>
    <message>
        <source>Outline</source>
        <translation>Umriss</translation>
    </message>
    <message>
        <source>Click: what is like it is outlined. The wheel says how far. Enter accepts it.</source>
        <translation>Klicken Sie: Was der Stelle ähnlich ist, wird umrandet. Das Mausrad sagt, wie weit. Die Eingabetaste nimmt es an.</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>Rückgängig</translation>
    </message>
    <message>
        <source>Redo</source>
        <translation>Wiederholen</translation>
    </message>
    <message>
        <source>Add a class first.</source>
        <translation>Fügen Sie zuerst eine Klasse hinzu.</translation>
    </message>
    <message>
        <source>Nothing can be outlined there: the raster ends, or shows nothing.</source>
        <translation>Dort lässt sich nichts umreißen: Das Raster ist dort zu Ende oder zeigt nichts.</translation>
    </message>
    <message>
        <source>Width of a stroke</source>
        <translation>Breite eines Strichs</translation>
    </message>
    <message>
        <source>What looks at the raster: the general encoder alone, with one of your own, or none, which is quicker and mostly worse; or a model.</source>
        <translation>Womit das Raster angesehen wird: mit dem allgemeinen Encoder allein, zusammen mit einem eigenen, oder ohne, was schneller und meist schlechter ist; oder mit einem Modell.</translation>
    </message>
    <message>
        <source>Encoder file...</source>
        <translation>Encoder-Datei...</translation>
    </message>
    <message>
        <source>None: colours and texture</source>
        <translation>Keiner: Farben und Textur</translation>
    </message>
    <message>
        <source>Model file...</source>
        <translation>Modelldatei...</translation>
    </message>
    <message>
        <source>Encoder file</source>
        <translation>Encoder-Datei</translation>
    </message>
    <message>
        <source>Show</source>
        <translation>Zeigen</translation>
    </message>
    <message>
        <source>Opacity</source>
        <translation>Deckkraft</translation>
    </message>
    <message>
        <source>What changed last</source>
        <translation>Was sich zuletzt änderte</translation>
    </message>
    <message>
        <source>another class than before</source>
        <translation>andere Klasse als vorher</translation>
    </message>
    <message>
        <source>{number} of {total}:</source>
        <translation>{number} von {total}:</translation>
    </message>
    <message>
        <source>Zooms to where a label would teach most. Key N.</source>
        <translation>Zoomt dorthin, wo eine Trainingsfläche am meisten lehrt. Taste N.</translation>
    </message>
    <message>
        <source>Looking for places...</source>
        <translation>Stellen werden gesucht...</translation>
    </message>
    <message>
        <source>No place is known yet. It takes a map.</source>
        <translation>Noch ist keine Stelle bekannt. Dafür muss es erst eine Karte geben.</translation>
    </message>
    <message>
        <source>{likely} or {second}?</source>
        <translation>{likely} oder {second}?</translation>
    </message>
    <message>
        <source>There is no finished map in the project. Make the map first.</source>
        <translation>Im Projekt ist keine fertige Karte. Machen Sie erst die Karte.</translation>
    </message>
    <message>
        <source>A point takes about {time}, the rest about {rest}.</source>
        <translation>Ein Punkt braucht etwa {time}, die übrigen etwa {rest}.</translation>
    </message>
    <message>
        <source>{number} of {total} {total:point|points} {number:is|are} filled in.</source>
        <translation>{number} von {total} {total:Punkt|Punkten} {number:ist|sind} ausgefüllt.</translation>
    </message>
    <message>
        <source>Fill in sample points...</source>
        <translation>Stichprobenpunkte ausfüllen...</translation>
    </message>
    <message>
        <source>Goes from one sample point to the next: 1 to 9 say its class, 0 that it cannot be told, Del goes back.</source>
        <translation>Geht von einem Stichprobenpunkt zum nächsten: 1 bis 9 sagen seine Klasse, 0, dass sie sich nicht sagen lässt, Entf geht zurück.</translation>
    </message>
    <message>
        <source>Keys: 1 to 9 for its class, 0 where it cannot be told, N goes on, Del back, Esc ends it.</source>
        <translation>Tasten: 1 bis 9 für die Klasse, 0, wo sie sich nicht sagen lässt, N geht weiter, Entf zurück, Esc beendet es.</translation>
    </message>
    <message>
        <source>Stop filling in</source>
        <translation>Ausfüllen beenden</translation>
    </message>
    <message>
        <source>At {number} more the class cannot be told.</source>
        <translation>Bei {number} {number:weiterem|weiteren} lässt sich die Klasse nicht sagen.</translation>
    </message>
    <message>
        <source>There are no more. Assess a map takes them now.</source>
        <translation>Es gibt keine weiteren. Jetzt nimmt Karte bewerten sie entgegen.</translation>
    </message>
    <message>
        <source>By {number} points {accuracy} ± {error} of the map are right, in 95 of 100 cases.</source>
        <translation>Nach {number} Punkten sind {accuracy} ± {error} der Karte richtig, in 95 von 100 Fällen.</translation>
    </message>
    <message>
        <source>How good the map is can be told from two points in each class on.</source>
        <translation>Wie gut die Karte ist, lässt sich ab zwei Punkten in jeder Klasse sagen.</translation>
    </message>
    <message>
        <source>Of which map are these points?</source>
        <translation>Zu welcher Karte gehören diese Punkte?</translation>
    </message>
    <message>
        <source>No layer of the project holds sample points yet. Have them drawn first.</source>
        <translation>Noch enthält kein Layer des Projekts Stichprobenpunkte. Lassen Sie sie zuerst ziehen.</translation>
    </message>
    <message>
        <source>Saves the model beside the raster, and maps the whole raster with it.</source>
        <translation>Speichert das Modell neben dem Raster und kartiert damit das ganze Raster.</translation>
    </message>
    <message>
        <source>Pretrains an encoder on this raster in the background, minutes to hours long, and goes on with it then.</source>
        <translation>Trainiert im Hintergrund einen Encoder auf diesem Raster vor, Minuten bis Stunden lang, und macht dann mit ihm weiter.</translation>
    </message>
    <message>
        <source>A finished map...</source>
        <translation>Eine fertige Karte...</translation>
    </message>
    <message>
        <source>Corrects a map of the project by labels, or compares it with another one.</source>
        <translation>Berichtigt eine Karte des Projekts durch Trainingsflächen oder vergleicht sie mit einer anderen.</translation>
    </message>
    <message>
        <source>Overwrite it by the labels...</source>
        <translation>Mit den Trainingsflächen überschreiben...</translation>
    </message>
    <message>
        <source>Compare it with another one...</source>
        <translation>Mit einer anderen vergleichen...</translation>
    </message>
    <message>
        <source>Open the report</source>
        <translation>Bericht öffnen</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Start</source>
        <translation>Starten</translation>
    </message>
    <message>
        <source>Overwrite a map by the labels</source>
        <translation>Eine Karte mit den Trainingsflächen überschreiben</translation>
    </message>
    <message>
        <source>Which map is the later one?</source>
        <translation>Welche Karte ist die spätere?</translation>
    </message>
    <message>
        <source>With which map is it compared?</source>
        <translation>Mit welcher Karte wird sie verglichen?</translation>
    </message>
    <message>
        <source>It is estimated how long this takes.</source>
        <translation>Es wird geschätzt, wie lange das dauert.</translation>
    </message>
    <message>
        <source>The encoder is in {path}.</source>
        <translation>Der Encoder liegt in {path}.</translation>
    </message>
    <message>
        <source>The map is in {path}.</source>
        <translation>Die Karte liegt in {path}.</translation>
    </message>
    <message>
        <source>Improve it</source>
        <translation>Verbessern</translation>
    </message>
    <message>
        <source>There is only one map in the project. Make another one first.</source>
        <translation>Im Projekt ist nur eine Karte. Machen Sie erst eine zweite.</translation>
    </message>
    <message>
        <source>It goes on with the encoder in {path}.</source>
        <translation>Es geht mit dem Encoder in {path} weiter.</translation>
    </message>
    <message>
        <source>It was too late to cancel: the model is in {path}.</source>
        <translation>Zum Abbrechen war es zu spät: Das Modell ist in {path}.</translation>
    </message>
    <message>
        <source>It has failed.</source>
        <translation>Es ist fehlgeschlagen.</translation>
    </message>
    <message>
        <source>{percent} of the pixels changed. The report is in {path}.</source>
        <translation>{percent} der Pixel haben sich geändert. Der Bericht ist in {path}.</translation>
    </message>
    <message>
        <source>The class cannot be written to {path}: {reason}.</source>
        <translation>Die Klasse kann nicht in {path} geschrieben werden: {reason}.</translation>
    </message>
    <message>
        <source>The computing process of the session is gone: {how}.</source>
        <translation>Der Rechenprozess der Sitzung ist weg: {how}.</translation>
    </message>
    <message>
        <source>{number} {number:label is|labels are} not in {file}, but in {path}. {number:It is|They are} taken up when this raster is labelled again. {reason}</source>
        <translation>{number} {number:Trainingsfläche ist|Trainingsflächen sind} nicht in {file}, sondern in {path}. Sie {number:wird|werden} übernommen, wenn dieses Raster wieder bearbeitet wird. {reason}</translation>
    </message>
    <message>
        <source>Until then {number:it is|they are} in {path}.</source>
        <translation>Bis dahin {number:ist|sind} sie in {path}.</translation>
    </message>
    <message>
        <source>Until then {number:it is|they are} in the memory of QGIS alone. {reason}</source>
        <translation>Bis dahin {number:ist|sind} sie nur im Speicher von QGIS. {reason}</translation>
    </message>
    <message>
        <source>{number} {number:label waits|labels wait} until another program lets go of {file}: a second QGIS that edits it, a database browser or a synchronised folder. Save or end the editing there.</source>
        <translation>{number} {number:Trainingsfläche wartet|Trainingsflächen warten}, bis ein anderes Programm {file} freigibt: ein zweites QGIS, das sie bearbeitet, ein Datenbank-Browser oder ein synchronisierter Ordner. Speichern oder beenden Sie die Bearbeitung dort.</translation>
    </message>
    <message>
        <source>The classes are not in {file} yet. It is tried again.</source>
        <translation>Die Klassen sind noch nicht in {file}. Es wird erneut versucht.</translation>
    </message>
    <message>
        <source>FALSE has no compute environment yet. It is a Python of its own, with PyTorch.</source>
        <translation>FALSE hat noch keine Rechenumgebung. Sie ist ein eigenes Python mit PyTorch.</translation>
    </message>
    <message>
        <source>The set-up of the compute environment was interrupted. Run Set up the compute environment: it goes on where it stopped.</source>
        <translation>Das Einrichten der Rechenumgebung wurde unterbrochen. Führen Sie „Rechenumgebung einrichten“ aus: es macht weiter, wo es aufgehört hat.</translation>
    </message>
    <message>
        <source>Run Set up the compute environment (toolbox: FALSE, or Settings &gt; Options &gt; FALSE). To use a Python that has all it needs already, name it in Settings &gt; Options &gt; FALSE or in the variable {variable}.</source>
        <translation>Führen Sie „Rechenumgebung einrichten“ aus (Werkzeugkiste: FALSE, oder Einstellungen &gt; Optionen &gt; FALSE). Um ein Python zu verwenden, das schon alles Nötige hat, nennen Sie es unter Einstellungen &gt; Optionen &gt; FALSE oder in der Variablen {variable}.</translation>
    </message>
    <message>
        <source>Install what it needs: {command}</source>
        <translation>Installieren Sie, was fehlt: {command}</translation>
    </message>
    <message>
        <source>Run Set up the compute environment: it repairs it.</source>
        <translation>Führen Sie „Rechenumgebung einrichten“ aus: es repariert sie.</translation>
    </message>
    <message>
        <source>is {implementation}, not CPython</source>
        <translation>ist {implementation}, nicht CPython</translation>
    </message>
    <message>
        <source>is Python {version}, and at least {oldest} is needed</source>
        <translation>ist Python {version}, und gebraucht wird mindestens {oldest}</translation>
    </message>
    <message>
        <source>is Python {version}, for which there are no packages yet</source>
        <translation>ist Python {version}, für das es noch keine Pakete gibt</translation>
    </message>
    <message>
        <source>is made for 32 bits</source>
        <translation>ist für 32 Bit gemacht</translation>
    </message>
    <message>
        <source>is a build without the global lock, for which there are no packages</source>
        <translation>ist eine Ausgabe ohne globale Sperre, für die es keine Pakete gibt</translation>
    </message>
    <message>
        <source>is made for {platform}, and the packages are for win-amd64</source>
        <translation>ist für {platform} gemacht, und die Pakete sind für win-amd64</translation>
    </message>
    <message>
        <source>is made for {platform}, and PyTorch is for Apple processors only</source>
        <translation>ist für {platform} gemacht, und PyTorch gibt es nur für Prozessoren von Apple</translation>
    </message>
    <message>
        <source>cannot import {modules}</source>
        <translation>kann {modules} nicht importieren</translation>
    </message>
    <message>
        <source>belongs to conda, whose libraries an environment made from it does not find</source>
        <translation>gehört zu conda, dessen Bibliotheken eine daraus gemachte Umgebung nicht findet</translation>
    </message>
    <message>
        <source>the environment that was set up here</source>
        <translation>die hier eingerichtete Umgebung</translation>
    </message>
    <message>
        <source>{origin} names {path}, which is not a program. Correct it or clear it.</source>
        <translation>{origin} nennt {path}, das kein Programm ist. Berichtigen oder löschen Sie es.</translation>
    </message>
    <message>
        <source>the checkout's .venv</source>
        <translation>.venv des Arbeitsverzeichnisses</translation>
    </message>
    <message>
        <source>Process {number} was killed, but the system has not ended it yet. Most often it waits for a disk or a server that does not answer.</source>
        <translation>Prozess {number} wurde abgebrochen, aber das System hat ihn noch nicht beendet. Meist wartet er auf ein Laufwerk oder einen Server, der nicht antwortet.</translation>
    </message>
    <message>
        <source>{program} cannot be started: {reason}.</source>
        <translation>{program} lässt sich nicht starten: {reason}.</translation>
    </message>
    <message>
        <source>{gpu}, driver {driver}</source>
        <translation>{gpu}, Treiber {driver}</translation>
    </message>
    <message>
        <source>Install the driver {driver} or newer and run this again</source>
        <translation>Installieren Sie den Treiber {driver} oder neuer, und führen Sie dies noch einmal aus</translation>
    </message>
    <message>
        <source>what the package index has; without uv there is no other choice</source>
        <translation>was der Paketindex hat; ohne uv gibt es keine andere Wahl</translation>
    </message>
    <message>
        <source>the build for Apple computers, which uses their GPU</source>
        <translation>die Ausgabe für Apple-Rechner, die deren GPU nutzt</translation>
    </message>
    <message>
        <source>what the package index has, as was asked for</source>
        <translation>was der Paketindex hat, wie gewünscht</translation>
    </message>
    <message>
        <source>what UV_TORCH_BACKEND says: {build}</source>
        <translation>was UV_TORCH_BACKEND sagt: {build}</translation>
    </message>
    <message>
        <source>the build for the CPU, as was asked for</source>
        <translation>die Ausgabe für die CPU, wie gewünscht</translation>
    </message>
    <message>
        <source>the build for the CPU: no NVIDIA GPU with a driver was found</source>
        <translation>die Ausgabe für die CPU: es wurde keine NVIDIA-Karte mit Treiber gefunden</translation>
    </message>
    <message>
        <source>the CUDA build for {gpu}</source>
        <translation>die CUDA-Ausgabe für {gpu}</translation>
    </message>
    <message>
        <source>the last CUDA build for {gpu}</source>
        <translation>die letzte CUDA-Ausgabe für {gpu}</translation>
    </message>
    <message>
        <source>Newer builds need the driver {driver} at least</source>
        <translation>Neuere Ausgaben brauchen mindestens den Treiber {driver}</translation>
    </message>
    <message>
        <source>Newer builds need a GPU of the generation Turing or later</source>
        <translation>Neuere Ausgaben brauchen eine Karte ab der Generation Turing</translation>
    </message>
    <message>
        <source>the build for the CPU: {gpu} is too old for PyTorch</source>
        <translation>die Ausgabe für die CPU: {gpu} ist zu alt für PyTorch</translation>
    </message>
    <message>
        <source>For Windows that is the build without CUDA: the GPU is not used</source>
        <translation>Für Windows ist das die Ausgabe ohne CUDA: die GPU wird nicht genutzt</translation>
    </message>
    <message>
        <source>the CUDA build, as was asked for, though no NVIDIA GPU was found</source>
        <translation>die CUDA-Ausgabe, wie gewünscht, obwohl keine NVIDIA-Karte gefunden wurde</translation>
    </message>
    <message>
        <source>the build for the CPU: {gpu}</source>
        <translation>die Ausgabe für die CPU: {gpu}</translation>
    </message>
    <message>
        <source>The library that computes is of version {library}, the plugin that QGIS has loaded of {plugin}. The plugin was updated while QGIS was running: restart QGIS.</source>
        <translation>Die Bibliothek, die rechnet, hat die Version {library}, das von QGIS geladene Plugin {plugin}. Das Plugin wurde aktualisiert, während QGIS lief: starten Sie QGIS neu.</translation>
    </message>
    <message>
        <source>Run Set up the compute environment: nothing tells what is in {folder}.</source>
        <translation>Führen Sie „Rechenumgebung einrichten“ aus: nichts sagt, was in {folder} ist.</translation>
    </message>
    <message>
        <source>The compute environment was set up by version {old} of the plugin, and this is {new}. Run Set up the compute environment: it brings it up to date.</source>
        <translation>Die Rechenumgebung wurde von Version {old} des Plugins eingerichtet, und dies ist {new}. Führen Sie „Rechenumgebung einrichten“ aus: es bringt sie auf den neuen Stand.</translation>
    </message>
    <message>
        <source>Settings &gt; Options &gt; Network</source>
        <translation>Einstellungen &gt; Optionen &gt; Netzwerk</translation>
    </message>
    <message>
        <source>Python's package index</source>
        <translation>der Paketindex von Python</translation>
    </message>
    <message>
        <source>the variable {variable}</source>
        <translation>die Variable {variable}</translation>
    </message>
    <message>
        <source>The disk is full. Make room on the disk of {folder}, and on that of your home folder, where pip and uv keep what they download.</source>
        <translation>Die Festplatte ist voll. Schaffen Sie Platz auf der von {folder} und auf der Ihres Benutzerordners, wo pip und uv aufheben, was sie herunterladen.</translation>
    </message>
    <message>
        <source>A virus scanner has taken a file away: {line} Tell it to leave {folder} alone, or ask who looks after this computer.</source>
        <translation>Ein Virenscanner hat eine Datei weggenommen: {line} Nehmen Sie {folder} davon aus, oder fragen Sie, wer diesen Rechner betreut.</translation>
    </message>
    <message>
        <source>A file could not be written: {line} A virus scanner or another QGIS may hold it, or the folder is protected. Close other QGIS windows, and let the virus scanner leave {folder} alone.</source>
        <translation>Eine Datei konnte nicht geschrieben werden: {line} Ein Virenscanner oder ein anderes QGIS hält sie vielleicht fest, oder der Ordner ist geschützt. Schließen Sie andere QGIS-Fenster, und nehmen Sie {folder} vom Virenscanner aus.</translation>
    </message>
    <message>
        <source>The proxy wants a user and a password, or other ones. Set them in {place}.</source>
        <translation>Der Proxy verlangt einen Benutzer und ein Passwort, oder andere. Tragen Sie sie hier ein: {place}.</translation>
    </message>
    <message>
        <source>The proxy does not let {host} through. Ask who looks after it to allow the hosts of Python's package index, of PyTorch and of GitHub, or ask for a package index inside and set pip to that.</source>
        <translation>Der Proxy lässt {host} nicht durch. Bitten Sie, wer ihn betreut, die Server des Paketindex von Python, von PyTorch und von GitHub zu erlauben, oder fragen Sie nach einem internen Paketindex und stellen Sie pip darauf ein.</translation>
    </message>
    <message>
        <source>The proxy cannot be reached. Correct its name and port in {place}.</source>
        <translation>Der Proxy ist nicht zu erreichen. Berichtigen Sie Name und Port hier: {place}.</translation>
    </message>
    <message>
        <source>The certificate of {host} is not trusted, as where an office looks into encrypted traffic. Add the certificate authority of the office in Settings &gt; Options &gt; Authentication &gt; Manage Certificates; it is passed on.</source>
        <translation>Dem Zertifikat von {host} wird nicht vertraut, wie dort, wo ein Amt oder eine Firma in verschlüsselte Verbindungen sieht. Fügen Sie deren Zertifizierungsstelle unter Einstellungen &gt; Optionen &gt; Authentifizierung &gt; Zertifikate verwalten hinzu; sie wird weitergegeben.</translation>
    </message>
    <message>
        <source>The package index {host} refuses. Correct its address and password in the settings of pip or uv.</source>
        <translation>Der Paketindex {host} lehnt ab. Berichtigen Sie Adresse und Passwort in den Einstellungen von pip oder uv.</translation>
    </message>
    <message>
        <source>The package index {host} has a fault of its own. Try again later.</source>
        <translation>Der Paketindex {host} hat selbst eine Störung. Versuchen Sie es später noch einmal.</translation>
    </message>
    <message>
        <source>There is no network: {host} cannot be reached. Connect this computer. Where only a proxy leads out, name it in {options}; it is passed on.</source>
        <translation>Es gibt kein Netzwerk: {host} ist nicht zu erreichen. Verbinden Sie diesen Rechner. Wo nur ein Proxy hinausführt, tragen Sie ihn unter {options} ein; er wird weitergegeben.</translation>
    </message>
    <message>
        <source>The package index does not have what is needed: {line} Set pip or uv to one that has, such as the public one.</source>
        <translation>Der Paketindex hat nicht, was gebraucht wird: {line} Stellen Sie pip oder uv auf einen ein, der es hat, etwa den öffentlichen.</translation>
    </message>
    <message>
        <source>Another QGIS is setting up the compute environment right now. Wait for it to end.</source>
        <translation>Ein anderes QGIS richtet gerade die Rechenumgebung ein. Warten Sie, bis es fertig ist.</translation>
    </message>
    <message>
        <source>Looking at {path}</source>
        <translation>{path} wird untersucht</translation>
    </message>
    <message>
        <source>{path} does not answer as a Python does. Name the interpreter itself.</source>
        <translation>{path} antwortet nicht wie ein Python. Nennen Sie den Interpreter selbst.</translation>
    </message>
    <message>
        <source>{path} is Python {version}. At least {oldest} is needed.</source>
        <translation>{path} ist Python {version}. Gebraucht wird mindestens {oldest}.</translation>
    </message>
    <message>
        <source>{path} has no {packages}.</source>
        <translation>{path} hat diese Pakete nicht: {packages}.</translation>
    </message>
    <message>
        <source>The environment cannot be made from {python}; the reason stands above. On Debian and Ubuntu the package python3-venv may be missing.</source>
        <translation>Aus {python} lässt sich keine Umgebung machen; der Grund steht oben. Unter Debian und Ubuntu fehlt vielleicht das Paket python3-venv.</translation>
    </message>
    <message>
        <source>The variable {variable} names {path}. As long as it is set, that one computes.</source>
        <translation>Die Variable {variable} nennt {path}. Solange sie gesetzt ist, rechnet dieses Python.</translation>
    </message>
    <message>
        <source>Looking at what is there</source>
        <translation>Sieht nach, was da ist</translation>
    </message>
    <message>
        <source>PyTorch: {reason}.</source>
        <translation>PyTorch: {reason}.</translation>
    </message>
    <message>
        <source>Computing something in it</source>
        <translation>Rechnet etwas damit</translation>
    </message>
    <message>
        <source>Making the environment</source>
        <translation>Richtet die Umgebung ein</translation>
    </message>
    <message>
        <source>Made from {python} in {folder}.</source>
        <translation>Gemacht aus {python} in {folder}.</translation>
    </message>
    <message>
        <source>Cancelled. What is done is kept: run it again to go on.</source>
        <translation>Abgebrochen. Was getan ist, bleibt: führen Sie es noch einmal aus, um weiterzumachen.</translation>
    </message>
    <message>
        <source>From now on it is used in place of {path}, which was set before.</source>
        <translation>Von jetzt an wird sie statt {path} verwendet, das vorher eingestellt war.</translation>
    </message>
    <message>
        <source>Every file is in place.</source>
        <translation>Alle Dateien sind da.</translation>
    </message>
    <message>
        <source>Making the links to Python again</source>
        <translation>Macht die Verweise auf Python neu</translation>
    </message>
    <message>
        <source>The interpreter {path} does not work.</source>
        <translation>Der Interpreter {path} funktioniert nicht.</translation>
    </message>
    <message>
        <source>{problem} The environment is made anew.</source>
        <translation>{problem} Die Umgebung wird neu eingerichtet.</translation>
    </message>
    <message>
        <source>The interpreter of {folder} does not work.</source>
        <translation>Der Interpreter in {folder} funktioniert nicht.</translation>
    </message>
    <message>
        <source>The environment does not compute: {error}</source>
        <translation>Die Umgebung rechnet nicht: {error}</translation>
    </message>
    <message>
        <source>Getting uv, which installs packages</source>
        <translation>Holt uv, das Pakete installiert</translation>
    </message>
    <message>
        <source>uv cannot be had; pip does the same, only slower.</source>
        <translation>uv ist nicht zu bekommen; pip macht dasselbe, nur langsamer.</translation>
    </message>
    <message>
        <source>No Python from {oldest} on was found to make the environment from.</source>
        <translation>Es wurde kein Python ab {oldest} gefunden, aus dem sich die Umgebung machen lässt.</translation>
    </message>
    <message>
        <source>Install one, or uv, and run this again.</source>
        <translation>Installieren Sie eines oder uv, und führen Sie dies noch einmal aus.</translation>
    </message>
    <message>
        <source>Looked at: {reasons}.</source>
        <translation>Untersucht: {reasons}.</translation>
    </message>
    <message>
        <source>Installing with {program} {version}.</source>
        <translation>Installiert wird mit {program} {version}.</translation>
    </message>
    <message>
        <source>Taking the packages from the index that pip is set to.</source>
        <translation>Die Pakete kommen von dem Index, auf den pip eingestellt ist.</translation>
    </message>
    <message>
        <source>The packages cannot be installed; the reason stands above. What was downloaded is kept: run this again, and it goes on where it stopped.</source>
        <translation>Die Pakete lassen sich nicht installieren; der Grund steht oben. Was heruntergeladen ist, bleibt: Führen Sie dies noch einmal aus, dann geht es dort weiter.</translation>
    </message>
    <message>
        <source>Mending {packages}</source>
        <translation>Wird repariert: {packages}</translation>
    </message>
    <message>
        <source>Up to {download} GB are downloaded, and {disk} GB taken on the disk of {folder}, which has {free} GB free.</source>
        <translation>Bis zu {download} GB werden heruntergeladen und {disk} GB auf der Festplatte von {folder} belegt, die {free} GB frei hat.</translation>
    </message>
    <message>
        <source>PyTorch's own index, which has the CPU build, cannot be used: {reason} The package index only has the one with CUDA. It computes on the CPU as well, but is {download} GB to download in place of {small}, and takes {disk} GB on the disk. To have it, choose index as Build of PyTorch and run this again.</source>
        <translation>PyTorchs eigener Index, der die Ausgabe für die CPU hat, ist nicht zu gebrauchen: {reason} Der Paketindex hat nur die mit CUDA. Sie rechnet auch auf der CPU, umfasst aber {download} GB statt {small} zum Herunterladen und belegt {disk} GB. Wenn Sie sie wollen, wählen Sie index als Ausgabe von PyTorch und führen Sie dies noch einmal aus.</translation>
    </message>
    <message>
        <source>Looking whether every file is there</source>
        <translation>Sieht nach, ob alle Dateien da sind</translation>
    </message>
    <message>
        <source>Installing {pytorch} and the rest, which may take a while</source>
        <translation>Installiert {pytorch} und den Rest; das kann dauern</translation>
    </message>
    <message>
        <source>{host} cannot be reached.</source>
        <translation>{host} ist nicht zu erreichen.</translation>
    </message>
    <message>
        <source>{packages} cannot be mended.</source>
        <translation>Lässt sich nicht reparieren: {packages}.</translation>
    </message>
    <message>
        <source>This build of PyTorch cannot be had; the reason stands above.</source>
        <translation>Diese Ausgabe von PyTorch ist nicht zu bekommen; der Grund steht oben.</translation>
    </message>
    <message>
        <source>Trying {build} instead.</source>
        <translation>Stattdessen wird versucht: {build}.</translation>
    </message>
    <message>
        <source>The environment's Python cannot say what is installed.</source>
        <translation>Das Python der Umgebung kann nicht sagen, was installiert ist.</translation>
    </message>
    <message>
        <source>It does not use the GPU.</source>
        <translation>Sie nutzt die GPU nicht.</translation>
    </message>
    <message>
        <source>what the package index has</source>
        <translation>was der Paketindex hat</translation>
    </message>
    <message>
        <source>{stage} ({time} so far)</source>
        <translation>{stage} (seit {time})</translation>
    </message>
    <message>
        <source>{folder} is in the way, and was not made by the set-up. Move it somewhere else and run this again.</source>
        <translation>{folder} ist im Weg und stammt nicht vom Einrichten. Verschieben Sie es, und führen Sie dies noch einmal aus.</translation>
    </message>
    <message>
        <source>Removing the old environment</source>
        <translation>Entfernt die alte Umgebung</translation>
    </message>
    <message>
        <source>{path} cannot be removed: {reason}. It may be in use: close other QGIS windows and runs, then run this again.</source>
        <translation>{path} lässt sich nicht entfernen: {reason}. Vielleicht ist es in Gebrauch: schließen Sie andere Fenster und Läufe von QGIS, und führen Sie dies noch einmal aus.</translation>
    </message>
    <message>
        <source>{problem} Then run this again: it goes on where it stopped.</source>
        <translation>{problem} Führen Sie dies dann noch einmal aus: Es geht dort weiter, wo es aufgehört hat.</translation>
    </message>
    <message>
        <source>There are {free} GB free on the disk of {folder}, and the environment needs about {needed}. Make room, or ask for the build cpu, which is smaller.</source>
        <translation>Auf dem Datenträger von {folder} sind {free} GB frei, und die Umgebung braucht etwa {needed}. Schaffen Sie Platz, oder wählen Sie die Ausgabe cpu, die kleiner ist.</translation>
    </message>
    <message>
        <source>Each of the {number} classes in the field {field} has one shape only. Then it cannot be told how good the map is. Perhaps this is not the field with the classes, or the classes need more shapes.</source>
        <translation>Jede der {number} Klassen im Feld {field} hat nur eine Trainingsfläche. Dann lässt sich nicht sagen, wie gut die Karte ist. Vielleicht ist es nicht das Feld mit den Klassen, oder die Klassen brauchen mehr Flächen.</translation>
    </message>
    <message>
        <source>Some classes in the field {field} differ only in capitals or blanks, and each will be a class of its own: {names}.</source>
        <translation>Einige Klassen im Feld {field} unterscheiden sich nur in Großbuchstaben oder Leerzeichen, und jede wird eine eigene Klasse: {names}.</translation>
    </message>
    <message>
        <source>The label layer has no field {field}. Its fields are: {names}.</source>
        <translation>Der Layer der Trainingsflächen hat kein Feld {field}. Seine Felder sind: {names}.</translation>
    </message>
    <message>
        <source>none</source>
        <translation>keine</translation>
    </message>
    <message>
        <source>{number} {number:label lies|labels lie} where the CRS of the raster does not reach. {number:It is|They are} left out.</source>
        <translation>{number} {number:Trainingsfläche liegt|Trainingsflächen liegen} dort, wohin das KBS des Rasters nicht reicht. Sie {number:wird|werden} ausgelassen.</translation>
    </message>
    <message>
        <source>{path} cannot be written. Close the programs that have it open.</source>
        <translation>{path} kann nicht geschrieben werden. Schließen Sie die Programme, in denen die Datei geöffnet ist.</translation>
    </message>
    <message>
        <source>Legend</source>
        <translation>Legende</translation>
    </message>
    <message>
        <source>Overall accuracy: {accuracy}</source>
        <translation>Gesamtgenauigkeit: {accuracy}</translation>
    </message>
    <message>
        <source>CRS: {crs}</source>
        <translation>KBS: {crs}</translation>
    </message>
    <message>
        <source>The style of the label layer does not go by the field {field}: the classes have neither names nor colours from it.</source>
        <translation>Der Stil des Layers richtet sich nicht nach dem Feld {field}: die Klassen bekommen weder Namen noch Farben von ihm.</translation>
    </message>
    <message>
        <source>The style of the label layer shows several values of {field} alike: {values}. They are classes of their own here, and keep their values as names.</source>
        <translation>Der Stil des Layers zeigt mehrere Werte von {field} gleich: {values}. Sie sind hier eigene Klassen und behalten ihre Werte als Namen.</translation>
    </message>
    <message>
        <source>The style of the label layer has no class of its own for these values of {field}: {values}. They are classes all the same, and keep their values as names.</source>
        <translation>Der Stil des Layers hat für diese Werte von {field} keine eigene Klasse: {values}. Sie sind trotzdem Klassen und behalten ihre Werte als Namen.</translation>
    </message>
    <message>
        <source>The style of the label layer shows one value of {field} in several ways: {values}. The class has neither a name nor a colour from it.</source>
        <translation>Der Stil des Layers zeigt einen Wert von {field} auf mehrere Arten: {values}. Die Klasse bekommt weder Namen noch Farbe von ihm.</translation>
    </message>
    <message>
        <source>The colours of the label layer do not go by the field {field}: the classes get other ones.</source>
        <translation>Die Farben des Layers richten sich nicht nach dem Feld {field}: die Klassen bekommen andere.</translation>
    </message>
    <message>
        <source>Made on {date} by {algorithm} of FALSE {version}.</source>
        <translation>Gemacht am {date} von „{algorithm}“ mit FALSE {version}.</translation>
    </message>
    <message>
        <source>Trial, {what}</source>
        <translation>Versuch, {what}</translation>
    </message>
    <message>
        <source>The layer {layer} comes from {origin}, not from a raster file. Save it as GeoTIFF (Layer &gt; Save As...) and use that.</source>
        <translation>Der Layer {layer} kommt von {origin}, nicht aus einer Rasterdatei. Speichern Sie ihn als GeoTIFF (Layer &gt; Speichern als...) und nehmen Sie das.</translation>
    </message>
    <message>
        <source>The additional nodata values of {layer} differ from band to band. They do not count.</source>
        <translation>Die zusätzlichen Nodata-Werte von {layer} sind je Kanal andere. Sie gelten nicht.</translation>
    </message>
    <message>
        <source>The nodata value of {layer} is switched off in QGIS. It counts all the same.</source>
        <translation>Der Nodata-Wert von {layer} ist in QGIS ausgeschaltet. Er gilt trotzdem.</translation>
    </message>
    <message>
        <source>QGIS opened {layer} with options that do not count: {options}.</source>
        <translation>QGIS hat {layer} mit Optionen geöffnet, die hier nicht zählen: {options}.</translation>
    </message>
    <message>
        <source>Draw labels, and see the map that is made of them at once</source>
        <translation>Trainingsflächen zeichnen und die Karte, die daraus wird, sofort sehen</translation>
    </message>
    <message>
        <source>FALSE: land-cover maps from a few labels</source>
        <translation>FALSE: Landbedeckungskarten aus wenigen Trainingsflächen</translation>
    </message>
    <message>
        <source>All algorithms</source>
        <translation>Alle Algorithmen</translation>
    </message>
    <message>
        <source>First, set up what it computes with.</source>
        <translation>Richten Sie zuerst ein, womit es rechnet.</translation>
    </message>
    <message>
        <source>Try it on an example.</source>
        <translation>Probieren Sie es an einem Beispiel aus.</translation>
    </message>
    <message>
        <source>Make example data</source>
        <translation>Beispieldaten erzeugen</translation>
    </message>
    <message>
        <source>FALSE is in the menu Raster &gt; FALSE.</source>
        <translation>FALSE ist im Menü Raster &gt; FALSE.</translation>
    </message>
    <message>
        <source>The variable {variable} is set and comes first.</source>
        <translation>Die Variable {variable} ist gesetzt und geht vor.</translation>
    </message>
    <message>
        <source>{path} (from {origin})</source>
        <translation>{path} (Quelle: {origin})</translation>
    </message>
    <message>
        <source>Compute environment</source>
        <translation>Rechenumgebung</translation>
    </message>
    <message>
        <source>Check...</source>
        <translation>Prüfen...</translation>
    </message>
    <message>
        <source>Diagnostics...</source>
        <translation>Diagnose...</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>The variable {variable} does the same and comes first.</source>
        <translation>Die Variable {variable} bewirkt dasselbe und geht vor.</translation>
    </message>
    <message>
        <source>Ready: PyTorch {torch}, Python {python}, on {device}.</source>
        <translation>Bereit: PyTorch {torch}, Python {python}, auf {device}.</translation>
    </message>
    <message>
        <source>The model {file} cannot be read. Install the plugin again.</source>
        <translation>Das Modell {file} lässt sich nicht lesen. Installieren Sie das Plugin noch einmal.</translation>
    </message>
    <message>
        <source>The Python that computes. Empty: the environment that was set up here. Any Python of at least 3.10 that has the packages will do, also one of conda, a cluster or a container.</source>
        <translation>Das Python, das rechnet. Leer: die hier eingerichtete Umgebung. Jedes Python ab 3.10, das die Pakete hat, ist recht, auch eines von conda, auf einem Cluster oder in einem Container.</translation>
    </message>
    <message>
        <source>What a run takes whose device is auto. auto: a GPU where there is a working one. cuda:1: the second NVIDIA GPU. mps: the GPU of an Apple computer. cpu: no GPU.</source>
        <translation>Was ein Lauf nimmt, dessen Gerät auto ist. auto: eine GPU, wenn eine da ist und funktioniert. cuda:1: die zweite NVIDIA-GPU. mps: die GPU eines Apple-Rechners. cpu: keine GPU.</translation>
    </message>
    <message>
        <source>Memory for pixels (GB)</source>
        <translation>Speicher für Pixel (GB)</translation>
    </message>
    <message>
        <source>How much of the raster training keeps at hand. More is faster on a large raster. The program itself takes 1 to 3 GB beside it.</source>
        <translation>Wie viel vom Raster das Training bereithält. Mehr ist bei einem großen Raster schneller. Das Programm selbst braucht daneben 1 bis 3 GB.</translation>
    </message>
    <message>
        <source>Cache folder</source>
        <translation>Cache-Ordner</translation>
    </message>
    <message>
        <source>For files that can be made again, such as checkpoints of runs that were interrupted. Empty: the system's cache folder.</source>
        <translation>Für Dateien, die neu gemacht werden können, etwa Zwischenstände unterbrochener Läufe. Leer: der Cache-Ordner des Systems.</translation>
    </message>
    <message>
        <source>Launcher</source>
        <translation>Startbefehl</translation>
    </message>
    <message>
        <source>A command that starts what computes, such as {python} -m torch.distributed.run --nproc-per-node {devices}, srun --gpus=1 python or ssh server python. What is to be run is put at its end. Empty: it is started here.</source>
        <translation>Ein Befehl, der startet, was rechnet, wie {python} -m torch.distributed.run --nproc-per-node {devices}, srun --gpus=1 python oder ssh server python. Was auszuführen ist, wird an sein Ende gestellt. Leer: es wird hier gestartet.</translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation>Scheduler</translation>
    </message>
    <message>
        <source>Has the parts of maps computed by many processes, with Dask. local: by processes of this computer. slurm:8 or pbs:8: by 8 jobs in a queue. Or the address of a scheduler, such as tls://server:8786. Empty: a map is computed by one process, or by the launcher.</source>
        <translation>Lässt die Teile von Karten mit Dask von vielen Prozessen rechnen. local: von Prozessen dieses Computers. slurm:8 oder pbs:8: von 8 Aufträgen in einer Warteschlange. Oder die Adresse eines Schedulers, etwa tls://server:8786. Leer: eine Karte rechnet ein Prozess, oder der Startbefehl.</translation>
    </message>
    <message>
        <source>What folders are called where the launcher computes, as /home/me/maps=/scratch/me/maps; several with semicolons. It holds for exported jobs and imported results too.</source>
        <translation>Wie Ordner dort heißen, wo der Startbefehl rechnen lässt, als /home/me/maps=/scratch/me/maps; mehrere mit Semikolons. Gilt auch für exportierte Aufträge und importierte Ergebnisse.</translation>
    </message>
    <message>
        <source>Disk for remote rasters (GB)</source>
        <translation>Platte für entfernte Raster (GB)</translation>
    </message>
    <message>
        <source>How much of remote rasters, which are read over the network, is kept on the disk, so that each block is downloaded once. The blocks that were not used for longest are removed first. What 'Find similar places' and 'Classify areas' have seen of rasters, also of files, is kept in the same space. 0: nothing is kept, and every search looks again.</source>
        <translation>Wie viel von entfernten Rastern, die über das Netz gelesen werden, auf der Platte bleibt, damit jeder Block nur einmal heruntergeladen wird. Die Blöcke, die am längsten nicht gebraucht wurden, werden zuerst entfernt. In demselben Platz bleibt, was „Ähnliche Orte finden“ und „Flächen klassifizieren“ von Rastern gesehen haben, auch von Dateien. 0: nichts bleibt, und jede Suche sieht neu hin.</translation>
    </message>
    <message>
        <source>Folder for remote rasters</source>
        <translation>Ordner für entfernte Raster</translation>
    </message>
    <message>
        <source>A fast disk of this computer is best. Empty: the folder is in the cache folder.</source>
        <translation>Eine schnelle Platte dieses Rechners ist am besten. Leer: der Ordner liegt im Cache-Ordner.</translation>
    </message>
    <message>
        <source>Rasters kept on the disk</source>
        <translation>Raster, die auf der Platte bleiben</translation>
    </message>
    <message>
        <source>remote: those read over the network, such as /vsicurl/ and /vsis3/. all: also files, where a network drive is slow.</source>
        <translation>remote: Raster, die über das Netz gelesen werden, wie /vsicurl/ und /vsis3/. all: auch Dateien, wo ein Netzlaufwerk langsam ist.</translation>
    </message>
    <message>
        <source>Formats beside the usual ones</source>
        <translation>Weitere Formate</translation>
    </message>
    <message>
        <source>GDAL's names of further formats that may be opened, with commas, such as NITF, SENTINEL2. Only those that people commonly use are opened by themselves: with others a file may write, ask a server, or show other files of the computer as pixels. Name one where you trust the source of your files. /vsicurl/ lets a VRT on the disk lead to addresses.</source>
        <translation>Die Namen weiterer Formate in GDAL, die geöffnet werden dürfen, mit Kommas, etwa NITF, SENTINEL2. Von sich aus werden nur die verbreiteten geöffnet: in anderen kann eine Datei schreiben, einen Server fragen oder andere Dateien des Rechners als Pixel zeigen. Nennen Sie eines, wenn Sie der Quelle Ihrer Dateien trauen. /vsicurl/ lässt ein VRT auf der Platte zu Adressen führen.</translation>
    </message>
    <message>
        <source>Log</source>
        <translation>Protokoll</translation>
    </message>
    <message>
        <source>What a run writes to its log. warning: only what may be wrong. debug: everything the compute process says.</source>
        <translation>Was ein Lauf in sein Protokoll schreibt. warning: nur, was falsch sein kann. debug: alles, was der Rechenprozess sagt.</translation>
    </message>
    <message>
        <source>Name in reports</source>
        <translation>Name in Berichten</translation>
    </message>
    <message>
        <source>Who has made them, as reports say it. Empty: the author of the project, in Project &gt; Properties &gt; Metadata.</source>
        <translation>Wer sie erstellt hat, wie Berichte es sagen. Leer: der Autor des Projekts, unter Projekt &gt; Eigenschaften &gt; Metadaten.</translation>
    </message>
    <message>
        <source>the setting {label} in Settings &gt; Options &gt; FALSE</source>
        <translation>die Einstellung {label} unter Einstellungen &gt; Optionen &gt; FALSE</translation>
    </message>
    <message>
        <source>the default</source>
        <translation>die Vorgabe</translation>
    </message>
    <message>
        <source>Accuracy against the share of labels</source>
        <translation>Genauigkeit nach dem Anteil der Trainingsflächen</translation>
    </message>
    <message>
        <source>Points are single models, lines their means. All were scored on polygons that none of the models of the same repeat had seen.</source>
        <translation>Punkte sind einzelne Modelle, Linien ihre Mittelwerte. Alle wurden an Polygonen bewertet, die keines der Modelle derselben Wiederholung gesehen hatte.</translation>
    </message>
    <message>
        <source>Classes: {names}</source>
        <translation>Klassen: {names}</translation>
    </message>
    <message>
        <source>by share of the labels used</source>
        <translation>nach dem Anteil der genutzten Trainingsflächen</translation>
    </message>
    <message>
        <source>Accuracy against the share of labels used</source>
        <translation>Genauigkeit nach dem Anteil der genutzten Trainingsflächen</translation>
    </message>
    <message>
        <source>Trains models on growing shares of your polygons and scores each on polygons set aside, so that you see whether more labels would help. Every class needs two polygons at least, better ten. Polygons next to each other look alike: where yours lie in clumps, the curve is too high.

It takes as many fine-tunings as shares times repeats. The table has one line per model, the chart shows them all and their mean.</source>
        <translation>Trainiert Modelle mit wachsenden Anteilen Ihrer Polygone und bewertet jedes an zurückgelegten Polygonen, damit Sie sehen, ob mehr Trainingsflächen helfen würden. Jede Klasse braucht mindestens zwei Polygone, besser zehn. Benachbarte Polygone sehen sich ähnlich: Wo Ihre in Haufen liegen, ist die Kurve zu hoch.

Es sind so viele Feintrainings wie Anteile mal Wiederholungen. Die Tabelle hat eine Zeile je Modell, das Diagramm zeigt alle und ihren Mittelwert.</translation>
    </message>
    <message>
        <source>The shares {text} cannot be read. Write numbers above 0 and up to 1, as 0.1,0.5,1.</source>
        <translation>Die Anteile {text} sind nicht lesbar. Schreiben Sie Zahlen über 0 und bis 1, etwa 0.1,0.5,1.</translation>
    </message>
    <message>
        <source>The field {field} holds {number} {number:class|classes}; it takes 2 to 254.</source>
        <translation>Das Feld {field} enthält {number} {number:Klasse|Klassen}; es müssen 2 bis 254 sein.</translation>
    </message>
    <message>
        <source>Only one polygon each: {names}. A class needs two: one to learn from, one to score with.</source>
        <translation>Nur je ein Polygon: {names}. Eine Klasse braucht zwei: eines zum Lernen, eines zum Bewerten.</translation>
    </message>
    <message>
        <source>pretrained encoder</source>
        <translation>vortrainierter Encoder</translation>
    </message>
    <message>
        <source>untrained encoder</source>
        <translation>untrainierter Encoder</translation>
    </message>
    <message>
        <source>Share</source>
        <translation>Anteil</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>Modelle</translation>
    </message>
    <message>
        <source>There is no encoder to compare with an untrained one. Name one, or do not compare.</source>
        <translation>Es gibt keinen Encoder, der sich mit einem untrainierten vergleichen ließe. Nennen Sie einen, oder vergleichen Sie nicht.</translation>
    </message>
    <message>
        <source>No pixel lies in the polygons set aside. Do the labels lie over the raster?</source>
        <translation>In den zurückgelegten Polygonen liegt kein Pixel. Liegen die Trainingsflächen auf dem Raster?</translation>
    </message>
    <message>
        <source>Labels (polygons)</source>
        <translation>Trainingsflächen (Polygone)</translation>
    </message>
    <message>
        <source>Compare with an encoder that was not pretrained</source>
        <translation>Mit einem Encoder vergleichen, der nicht vortrainiert ist</translation>
    </message>
    <message>
        <source>Shares of the labels</source>
        <translation>Anteile der Trainingsflächen</translation>
    </message>
    <message>
        <source>Repeats</source>
        <translation>Wiederholungen</translation>
    </message>
    <message>
        <source>Share of polygons set aside for scoring</source>
        <translation>Anteil der Polygone, die zum Bewerten zurückgelegt werden</translation>
    </message>
    <message>
        <source>Chart</source>
        <translation>Diagramm</translation>
    </message>
    <message>
        <source>Model {number} of {total}: {polygons} {polygons:polygon|polygons}, {encoder}</source>
        <translation>Modell {number} von {total}: {polygons} {polygons:Polygon|Polygone}, {encoder}</translation>
    </message>
    <message>
        <source>Mean IoU</source>
        <translation>Mittlere IoU</translation>
    </message>
    <message>
        <source>Map a folder of rasters</source>
        <translation>Einen Ordner mit Rastern kartieren</translation>
    </message>
    <message>
        <source>Makes a land-cover map of every raster in a folder; the labels lie on one of them. Pretrain first where those maps are not good enough: all rasters are used for learning without labels then. The rasters must come from the same sensor: same bands in the same order.</source>
        <translation>Macht von jedem Raster in einem Ordner eine Landbedeckungskarte; die Trainingsflächen liegen auf einem von ihnen. Lassen Sie zuerst vortrainieren, wenn diese Karten nicht gut genug sind: Dann wird von allen Rastern ohne Trainingsflächen gelernt. Die Raster müssen vom selben Sensor stammen: gleiche Kanäle in gleicher Reihenfolge.</translation>
    </message>
    <message>
        <source>There is no raster in {folder}. Looked for {patterns}.</source>
        <translation>In {folder} ist kein Raster. Gesucht wurde nach {patterns}.</translation>
    </message>
    <message>
        <source>Steps of pretraining</source>
        <translation>Schritte des Vortrainings</translation>
    </message>
    <message>
        <source>The maps would mix with the rasters. Choose another folder for the maps.</source>
        <translation>Die Karten lägen zwischen den Rastern. Wählen Sie einen anderen Ordner für die Karten.</translation>
    </message>
    <message>
        <source>Folder with rasters</source>
        <translation>Ordner mit Rastern</translation>
    </message>
    <message>
        <source>Raster with labels</source>
        <translation>Raster mit Trainingsflächen</translation>
    </message>
    <message>
        <source>Pretrain first</source>
        <translation>Zuerst vortrainieren</translation>
    </message>
    <message>
        <source>Number of maps</source>
        <translation>Zahl der Karten</translation>
    </message>
    <message>
        <source>Map from a few labels (script)</source>
        <translation>Karte aus wenigen Trainingsflächen (Skript)</translation>
    </message>
    <message>
        <source>Makes a land-cover map of a raster from a few labels. Model, reports and map go to one folder. Pretrain first where that map is not good enough: its encoder goes there too, and is used again by further runs.</source>
        <translation>Macht aus wenigen Trainingsflächen eine Landbedeckungskarte eines Rasters. Modell, Berichte und Karte kommen in einen Ordner. Lassen Sie zuerst vortrainieren, wenn diese Karte nicht gut genug ist: Der Encoder kommt auch dorthin, und weitere Läufe verwenden ihn wieder.</translation>
    </message>
    <message>
        <source>Folder for the results</source>
        <translation>Ordner für die Ergebnisse</translation>
    </message>
    <message>
        <source>Using the encoder that is there: {path}</source>
        <translation>Der vorhandene Encoder wird verwendet: {path}</translation>
    </message>
    <message>
        <source>Prepare a run on a cluster</source>
        <translation>Einen Lauf auf einem Cluster vorbereiten</translation>
    </message>
    <message>
        <source>Writes what a Slurm cluster needs to make a land-cover map: the labels, one JSON file per step, and a Slurm script. Nothing is submitted. Copy the folder to the cluster, unless both share a file system, and run sbatch {script} there.

On the cluster, an environment with false_core must be there: pip install PLUGIN/library.</source>
        <translation>Schreibt, was ein Slurm-Cluster für eine Landbedeckungskarte braucht: die Trainingsflächen, eine JSON-Datei je Schritt und ein Slurm-Skript. Abgeschickt wird nichts. Kopieren Sie den Ordner auf den Cluster, wenn nicht beide ein Dateisystem teilen, und starten Sie dort sbatch {script}.

Auf dem Cluster muss es eine Umgebung mit false_core geben: pip install PLUGIN/library.</translation>
    </message>
    <message>
        <source>{options} is no option for sbatch. Write it as --name=value.</source>
        <translation>{options} ist keine Option für sbatch. Schreiben Sie sie als --name=wert.</translation>
    </message>
    <message>
        <source>{folder} holds {files} already. Choose another folder.</source>
        <translation>{folder} enthält schon {files}. Wählen Sie einen anderen Ordner.</translation>
    </message>
    <message>
        <source>The job is in {folder}. On the cluster: {command}</source>
        <translation>Der Auftrag liegt in {folder}. Auf dem Cluster: {command}</translation>
    </message>
    <message>
        <source>The raster's path on the cluster, if another</source>
        <translation>Pfad des Rasters auf dem Cluster, wenn er anders ist</translation>
    </message>
    <message>
        <source>The folder's path on the cluster, if another</source>
        <translation>Pfad des Ordners auf dem Cluster, wenn er anders ist</translation>
    </message>
    <message>
        <source>Commands that make the environment available</source>
        <translation>Befehle, die die Umgebung bereitstellen</translation>
    </message>
    <message>
        <source>Hours</source>
        <translation>Stunden</translation>
    </message>
    <message>
        <source>GPUs</source>
        <translation>GPUs</translation>
    </message>
    <message>
        <source>CPU cores</source>
        <translation>CPU-Kerne</translation>
    </message>
    <message>
        <source>More options for sbatch, as --partition=gpu --account=me</source>
        <translation>Weitere Optionen für sbatch, etwa --partition=gpu --account=ich</translation>
    </message>
    <message>
        <source>Folder for the job</source>
        <translation>Ordner für den Auftrag</translation>
    </message>
    <message>
        <source>2. Classify</source>
        <translation>2. Klassifizieren</translation>
    </message>
    <message>
        <source>Map report</source>
        <translation>Bericht zur Karte</translation>
    </message>
    <message>
        <source>1. Fine-tune again</source>
        <translation>1. Erneut feintrainieren</translation>
    </message>
    <message>
        <source>3. Suggest where to digitise next</source>
        <translation>3. Vorschlagen, wo als Nächstes digitalisiert wird</translation>
    </message>
    <message>
        <source>FALSE for QGIS</source>
        <translation>FALSE für QGIS</translation>
    </message>
    <message>
        <source>This makes a map better, one turn after the other. It trains a model with all labels you have by now, classifies the raster, and suggests where to digitise next. Digitise what you see there, add it to your labels, and run this again. The encoder stays as it is, so a turn takes little time.</source>
        <translation>Dies macht eine Karte besser, eine Runde nach der anderen. Es trainiert ein Modell mit allen bisherigen Trainingsflächen, klassifiziert das Raster und schlägt vor, wo als Nächstes digitalisiert wird. Digitalisieren Sie, was Sie dort sehen, fügen Sie es Ihren Trainingsflächen hinzu und führen Sie dies noch einmal aus. Der Encoder bleibt, wie er ist; deshalb dauert eine Runde nicht lange.</translation>
    </message>
    <message>
        <source>The map, with all labels so far.</source>
        <translation>Die Karte, mit allen bisherigen Trainingsflächen.</translation>
    </message>
    <message>
        <source>How many places to suggest for digitising next.</source>
        <translation>Wie viele Stellen zum Digitalisieren vorgeschlagen werden.</translation>
    </message>
    <message>
        <source>Map this part only, and suggest places there only. Empty: everything.</source>
        <translation>Nur diesen Teil kartieren und nur dort Stellen vorschlagen. Leer: alles.</translation>
    </message>
    <message>
        <source>The model, to classify other rasters of the same kind with.</source>
        <translation>Das Modell, um andere Raster der gleichen Art zu klassifizieren.</translation>
    </message>
    <message>
        <source>How well the model does on labels it was not trained with. Compare it with the last turn's.</source>
        <translation>Wie gut das Modell bei Trainingsflächen ist, aus denen es nicht gelernt hat. Vergleichen Sie ihn mit dem der letzten Runde.</translation>
    </message>
    <message>
        <source>Where to digitise next, the most useful place first.</source>
        <translation>Wo als Nächstes digitalisiert wird, die nützlichste Stelle zuerst.</translation>
    </message>
    <message>
        <source>Improve a map</source>
        <translation>Eine Karte verbessern</translation>
    </message>
    <message>
        <source>2. Classify all</source>
        <translation>2. Alle klassifizieren</translation>
    </message>
    <message>
        <source>Maps</source>
        <translation>Karten</translation>
    </message>
    <message>
        <source>1. Fine-tune</source>
        <translation>1. Feinabstimmen</translation>
    </message>
    <message>
        <source>This makes a land-cover map of each of many rasters, from labels on one of them. It trains a model with the labels and classifies them all. The rasters must come from the same sensor: same bands in the same order. Use Add Directory in the list of rasters to take a whole folder. Where the map is not good enough, the second phase is to learn from the image itself: run 'Pretrain an encoder', and run this again with the encoder file.</source>
        <translation>Dies macht von jedem von vielen Rastern eine Landbedeckungskarte, aus Trainingsflächen auf einem von ihnen. Es trainiert mit den Trainingsflächen ein Modell und klassifiziert alle. Die Raster müssen vom selben Sensor stammen: gleiche Kanäle in gleicher Reihenfolge. Mit „Verzeichnis hinzufügen“ in der Liste der Raster nehmen Sie einen ganzen Ordner. Ist die Karte nicht gut genug, ist die zweite Phase, aus dem Bild selbst zu lernen: Führen Sie „Einen Encoder vortrainieren“ aus und dies noch einmal mit der Encoder-Datei.</translation>
    </message>
    <message>
        <source>The folder with the maps, one for each raster.</source>
        <translation>Der Ordner mit den Karten, eine für jedes Raster.</translation>
    </message>
    <message>
        <source>How well the model does on labels it was not trained with.</source>
        <translation>Wie gut das Modell bei Trainingsflächen ist, aus denen es nicht gelernt hat.</translation>
    </message>
    <message>
        <source>The raster the labels were digitised on: one of those above, or another of the same kind.</source>
        <translation>Das Raster, auf dem die Trainingsflächen digitalisiert wurden: eines von oben oder ein anderes der gleichen Art.</translation>
    </message>
    <message>
        <source>The rasters to map. Use Add Directory to take a whole folder.</source>
        <translation>Die Raster, die kartiert werden. Mit „Verzeichnis hinzufügen“ nehmen Sie einen ganzen Ordner.</translation>
    </message>
    <message>
        <source>This makes a land-cover map from a raster and a few labels, in minutes. It trains a model with the labels and classifies the raster. Style the label layer by categories of the class field, and the map takes names and colours from it. Where the map is not good enough, the second phase is to learn from the image itself: run 'Pretrain an encoder', and run this again with the encoder file.</source>
        <translation>Dies macht in Minuten aus einem Raster und wenigen Trainingsflächen eine Landbedeckungskarte. Es trainiert mit den Trainingsflächen ein Modell und klassifiziert das Raster. Stellen Sie den Layer der Trainingsflächen kategorisiert nach dem Klassenfeld dar; die Karte übernimmt dann Namen und Farben. Ist die Karte nicht gut genug, ist die zweite Phase, aus dem Bild selbst zu lernen: Führen Sie „Einen Encoder vortrainieren“ aus und dies noch einmal mit der Encoder-Datei.</translation>
    </message>
    <message>
        <source>The map.</source>
        <translation>Die Karte.</translation>
    </message>
    <message>
        <source>Map this part only. Empty: everything.</source>
        <translation>Nur diesen Teil kartieren. Leer: alles.</translation>
    </message>
    <message>
        <source>Map from a few labels</source>
        <translation>Karte aus wenigen Trainingsflächen</translation>
    </message>
    <message>
        <source>must be given</source>
        <translation>muss angegeben werden</translation>
    </message>
    <message>
        <source>Parameters</source>
        <translation>Parameter</translation>
    </message>
    <message>
        <source>Advanced parameters</source>
        <translation>Erweiterte Parameter</translation>
    </message>
    <message>
        <source>Files written</source>
        <translation>Geschriebene Dateien</translation>
    </message>
    <message>
        <source>not written</source>
        <translation>wird nicht geschrieben</translation>
    </message>
    <message>
        <source>empty</source>
        <translation>leer</translation>
    </message>
    <message>
        <source>{low} to {high}</source>
        <translation>{low} bis {high}</translation>
    </message>
    <message>
        <source>Without the dialog</source>
        <translation>Ohne Dialog</translation>
    </message>
    <message>
        <source>The values are examples.</source>
        <translation>Die Werte sind Beispiele.</translation>
    </message>
    <message>
        <source>default: {value}</source>
        <translation>Vorgabe: {value}</translation>
    </message>
    <message>
        <source>Results</source>
        <translation>Ergebnisse</translation>
    </message>
    <message>
        <source>1 to 9 choose the class. Enter completes, Esc gives up. Del takes back the last corner, or else removes the labels that are selected. Ctrl+Z and Ctrl+Y undo and redo. N goes to the next place. They count while one of the four tools is chosen.</source>
        <translation type="vanished">1 bis 9 wählen die Klasse. Die Eingabetaste schließt ab, Esc verwirft. Entf nimmt die letzte Ecke zurück oder entfernt sonst die ausgewählten Trainingsflächen. Strg+Z und Strg+Y machen rückgängig und wiederholen. N geht zur nächsten Stelle. Sie gelten, solange eines der vier Werkzeuge gewählt ist.</translation>
    </message>
    <message>
        <source>1. Pretrain</source>
        <translation type="vanished">1. Vortraining</translation>
    </message>
    <message>
        <source>1. Pretrain on all</source>
        <translation type="vanished">1. Vortraining mit allen</translation>
    </message>
    <message>
        <source>2. Fine-tune</source>
        <translation type="vanished">2. Feintraining</translation>
    </message>
    <message>
        <source>3. Classify</source>
        <translation type="vanished">3. Klassifizieren</translation>
    </message>
    <message>
        <source>3. Classify all</source>
        <translation type="vanished">3. Alle klassifizieren</translation>
    </message>
    <message>
        <source>An encoder file of the same preset and number of bands; a file with timm weights of the preset's backbone (.safetensors, .pth, .pt, .bin), of any number of bands; or a name of timm weights, such as imagenet or resnet50.a1_in1k, which are downloaded. With the method random they become an encoder as they are. Empty: random weights.</source>
        <translation type="vanished">Eine Encoder-Datei der gleichen Voreinstellung und Kanalzahl; eine Datei mit timm-Gewichten für das Netz der Voreinstellung (.safetensors, .pth, .pt, .bin) mit beliebiger Kanalzahl; oder der Name von timm-Gewichten, etwa imagenet oder resnet50.a1_in1k, die heruntergeladen werden. Mit der Methode random werden sie unverändert zum Encoder. Leer: zufällige Gewichte.</translation>
    </message>
    <message>
        <source>Deepness is a QGIS plugin that runs models in the ONNX format. The file holds the network, what it does to pixels first, class names and pixel size, so that Deepness opens it with the right settings. Deepness knows no nodata and blends no tiles: Classify a raster makes the better map. The export takes the package onnx in the compute environment.</source>
        <translation type="vanished">Deepness ist ein QGIS-Plugin, das Modelle im ONNX-Format ausführt. Die Datei enthält das Netz, was es zuerst mit den Pixeln macht, Klassennamen und Pixelgröße, so dass Deepness sie mit den richtigen Einstellungen öffnet. Deepness kennt kein Nodata und überblendet keine Kacheln: „Ein Raster klassifizieren“ macht die bessere Karte. Der Export braucht das Paket onnx in der Rechenumgebung.</translation>
    </message>
    <message>
        <source>Encoder file from pretraining. Empty: an untrained encoder, trained on the labels alone.</source>
        <translation type="vanished">Encoder-Datei aus dem Vortraining. Leer: ein untrainierter Encoder, der nur aus den Trainingsflächen lernt.</translation>
    </message>
    <message>
        <source>Encoder report</source>
        <translation type="vanished">Bericht zum Encoder</translation>
    </message>
    <message>
        <source>FALSE computes in a Python of its own, beside QGIS, with PyTorch and what else it needs. This algorithm finds or gets a Python, downloads the packages (1 to 3 GB), computes something with them and says on what device.</source>
        <translation type="vanished">FALSE rechnet in einem eigenen Python neben QGIS, mit PyTorch und was es sonst braucht. Dieser Algorithmus findet oder holt ein Python, lädt die Pakete herunter (1 bis 3 GB), rechnet etwas damit und sagt, auf welchem Gerät.</translation>
    </message>
    <message>
        <source>FALSE has no compute environment yet: a Python of its own, with PyTorch.</source>
        <translation type="vanished">FALSE hat noch keine Rechenumgebung: ein eigenes Python mit PyTorch.</translation>
    </message>
    <message>
        <source>FALSE is in the menu Raster &gt; FALSE. First, set up what it computes with.</source>
        <translation type="vanished">FALSE ist im Menü Raster &gt; FALSE. Richten Sie zuerst ein, womit es rechnet.</translation>
    </message>
    <message>
        <source>Find out where a place changed between two dates.</source>
        <translation type="vanished">Stellt fest, wo sich ein Ort zwischen zwei Zeitpunkten verändert hat.</translation>
    </message>
    <message>
        <source>In a GeoPackage beside the raster, or in the folder of the project where that of the raster is read-only or temporary. Each label is in the file before you draw the next one. While another program holds the file, labels are shown in grey and wait. It is a plain layer: you may edit it with the tools of QGIS or with another program, and the map follows. The style of the layer is the list of classes.</source>
        <translation type="vanished">In einem GeoPackage neben dem Raster, oder im Ordner des Projekts, wenn der des Rasters schreibgeschützt oder temporär ist. Jede Trainingsfläche ist in der Datei, bevor Sie die nächste zeichnen. Solange ein anderes Programm die Datei belegt, warten Trainingsflächen und sind grau zu sehen. Es ist ein gewöhnlicher Layer: Sie können ihn mit den Werkzeugen von QGIS oder einem anderen Programm bearbeiten, und die Karte folgt. Der Stil des Layers ist die Liste der Klassen.</translation>
    </message>
    <message>
        <source>In a GeoPackage beside the raster. Where that folder is read-only or temporary, in the folder of the project, or in that of your documents while the project is not saved. Each label is in the file before you draw the next one. While another program holds the file, labels are shown in grey and wait; if the dock is closed meanwhile, they go to a file of their own beside it. It is a plain layer: you may edit it with the tools of QGIS or with another program, and the map follows. The style of the layer is the list of classes.</source>
        <translation type="vanished">In einem GeoPackage neben dem Raster. Ist dessen Ordner schreibgeschützt oder temporär, im Ordner des Projekts, oder in dem Ihrer Dokumente, solange das Projekt nicht gespeichert ist. Jede Trainingsfläche ist in der Datei, bevor Sie die nächste zeichnen. Solange ein anderes Programm die Datei belegt, warten Trainingsflächen und sind grau zu sehen; wird das Bedienfeld inzwischen geschlossen, kommen sie in eine eigene Datei daneben. Es ist ein gewöhnlicher Layer: Sie können ihn mit den Werkzeugen von QGIS oder einem anderen Programm bearbeiten, und die Karte folgt. Der Stil des Layers ist die Liste der Klassen.</translation>
    </message>
    <message>
        <source>It needs no labels. From the place itself it learns how each kind of ground looks at one date that looked a certain way at the other. Season, light and another sensor change all ground of a kind alike, and are no change; a place that does not go the way of its kind is. So most of the place must be unchanged.</source>
        <translation type="vanished">Es braucht keine Labels. Am Ort selbst wird gelernt, wie Boden, der zum einen Zeitpunkt auf eine bestimmte Weise aussah, zum anderen aussieht. Jahreszeit, Licht und ein anderer Sensor verändern allen Boden einer Art auf gleiche Weise und sind keine Veränderung; eine Stelle, die nicht den Weg ihrer Art geht, ist eine. Deshalb muss der größte Teil des Ortes unverändert sein.</translation>
    </message>
    <message>
        <source>Key</source>
        <translation type="vanished">Schlüssel</translation>
    </message>
    <message>
        <source>Learn from this part only and map this part only. Empty: everything.</source>
        <translation type="vanished">Nur aus diesem Teil lernen und nur diesen Teil kartieren. Leer: alles.</translation>
    </message>
    <message>
        <source>Make cells in this part only, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: everywhere.</source>
        <translation type="vanished">Zellen nur in diesem Teil machen, als xmin,xmax,ymin,ymax, mit [EPSG:code], wo es nicht das KBS des Rasters ist. Leer: überall.</translation>
    </message>
    <message>
        <source>Make the map saves the model beside the raster and runs Classify a raster, which you can cancel. The live map gives way to the new one, until you draw the next label. Improve it pretrains an encoder on this raster while you go on, and goes on with it when it is done. You may close the dock meanwhile.</source>
        <translation type="vanished">Karte erstellen speichert das Modell neben dem Raster und klassifiziert das ganze Raster; Sie können es abbrechen. Die laufende Karte macht der neuen Platz, bis Sie die nächste Trainingsfläche zeichnen. Verbessern trainiert einen Encoder auf diesem Raster vor, während Sie weiterzeichnen, und macht mit ihm weiter, wenn er fertig ist. Das Dock darf dabei geschlossen sein.</translation>
    </message>
    <message>
        <source>Makes a land-cover map of a raster from a few labels. Encoder, model, reports and map go to one folder. An encoder that is there already is used again, so that only the first run takes long.</source>
        <translation type="vanished">Macht aus wenigen Trainingsflächen eine Landbedeckungskarte eines Rasters. Encoder, Modell, Berichte und Karte kommen in einen Ordner. Ein Encoder, der schon da ist, wird wieder verwendet, sodass nur der erste Lauf lange dauert.</translation>
    </message>
    <message>
        <source>Makes a land-cover map of every raster in a folder. All of them are used for learning without labels; the labels lie on one of them. The rasters must come from the same sensor: same bands in the same order.</source>
        <translation type="vanished">Macht von jedem Raster in einem Ordner eine Landbedeckungskarte. Von allen wird ohne Trainingsflächen gelernt; die Trainingsflächen liegen auf einem von ihnen. Die Raster müssen vom selben Sensor stammen: gleiche Kanäle in gleicher Reihenfolge.</translation>
    </message>
    <message>
        <source>Makes the labels of this class labels of another one.</source>
        <translation type="vanished">Macht die Trainingsflächen dieser Klasse zu solchen einer anderen.</translation>
    </message>
    <message>
        <source>Merge classes</source>
        <translation type="vanished">Klassen vereinigen</translation>
    </message>
    <message>
        <source>Merge...</source>
        <translation type="vanished">Vereinigen...</translation>
    </message>
    <message>
        <source>Names of the map's classes, in capitals or not, or their codes. Empty values are left out and counted.</source>
        <translation type="vanished">Namen der Klassen der Karte, groß oder klein geschrieben, oder ihre Codes. Leere Werte werden ausgelassen und gezählt.</translation>
    </message>
    <message>
        <source>No layer of the project is styled by the categories of a field.</source>
        <translation type="vanished">Kein Layer des Projekts ist nach den Kategorien eines Feldes gestaltet.</translation>
    </message>
    <message>
        <source>Number of possible false negatives a benchmark anchor takes. Empty: from the preset.</source>
        <translation type="vanished">Zahl der möglichen falschen Negative, die ein Vergleichsanker nimmt. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>Number of training steps of pretraining. Empty: as the preset has it. A few show whether all runs.</source>
        <translation type="vanished">Zahl der Trainingsschritte des Vortrainings. Leer: wie in der Voreinstellung. Wenige zeigen, ob alles läuft.</translation>
    </message>
    <message>
        <source>Optional raster with known classes, only to draw how often the false negatives found are of the same class. It does not take part in the learning.</source>
        <translation type="vanished">Optionales Raster mit bekannten Klassen, nur um zu zeigen, wie oft die gefundenen falschen Negative von gleicher Klasse sind. Am Lernen nimmt es nicht teil.</translation>
    </message>
    <message>
        <source>Optional table with the mapped class of each point. Do not show it to the person who fills in the classes. Assess a map does not need it.</source>
        <translation type="vanished">Optionale Tabelle mit der kartierten Klasse jedes Punkts. Wer die Klassen ausfüllt, sollte sie nicht sehen. „Eine Karte bewerten“ braucht sie nicht.</translation>
    </message>
    <message>
        <source>Raster with the codes of the true classes, on any grid and in any CRS. It is looked up at the centre of each pixel of the map. Give this or reference labels.</source>
        <translation type="vanished">Raster mit den Codes der wahren Klassen, in beliebigem Gitter und KBS. Es wird in der Mitte jedes Pixels der Karte abgefragt. Geben Sie dieses oder Referenzdaten an.</translation>
    </message>
    <message>
        <source>Run it again at any time. It goes on where it was cancelled, repairs what is broken, brings an environment of another version of the plugin up to date, and is done in a moment where nothing is to be done. The packages come from the index that pip or uv are set to.</source>
        <translation type="vanished">Führen Sie es jederzeit wieder aus. Es macht weiter, wo es abgebrochen wurde, repariert, was kaputt ist, bringt eine Umgebung einer anderen Version des Plugins auf den neuen Stand und ist sofort fertig, wenn nichts zu tun ist. Die Pakete kommen von dem Index, auf den pip oder uv eingestellt sind.</translation>
    </message>
    <message>
        <source>Set up the compute environment</source>
        <translation type="vanished">Rechenumgebung einrichten</translation>
    </message>
    <message>
        <source>Share of the ground that changed</source>
        <translation type="vanished">Anteil des Bodens, der sich verändert hat</translation>
    </message>
    <message>
        <source>The cells that are compared are squares of this side, from the upper left corner of each raster on. Empty: that of the polygons among the examples, or 64 pixels of the first raster.</source>
        <translation type="vanished">Die verglichenen Zellen sind Quadrate mit dieser Seite, von der linken oberen Ecke jedes Rasters an. Leer: die der Polygone unter den Beispielen, oder 64 Pixel des ersten Rasters.</translation>
    </message>
    <message>
        <source>The encoder, to fine-tune again when there are more labels.</source>
        <translation type="vanished">Der Encoder, um mit mehr Trainingsflächen erneut feinzutrainieren.</translation>
    </message>
    <message>
        <source>The map to write: one Byte band with a code for no change and one for change.</source>
        <translation type="vanished">Die Karte, die geschrieben wird: ein Byte-Kanal mit einem Code für keine Veränderung und einem für Veränderung.</translation>
    </message>
    <message>
        <source>The model file to write.</source>
        <translation type="vanished">Die Modelldatei, die geschrieben wird.</translation>
    </message>
    <message>
        <source>The numbers that the network computes with. auto: short ones where a GPU was built for them, or a CPU and the head is network, unless FALSE_PRECISION says float32. They are faster, and few pixels get another class. float32: long ones, with which all computers make the same map but for rounding.</source>
        <translation type="vanished">Die Zahlen, mit denen das Netz rechnet. auto: kurze, wenn eine GPU dafür gebaut ist, oder eine CPU und der Kopf network ist, außer FALSE_PRECISION sagt float32. Sie sind schneller, und wenige Pixel bekommen eine andere Klasse. float32: lange, mit denen alle Computer bis auf Rundung dieselbe Karte machen.</translation>
    </message>
    <message>
        <source>The numbers that the network computes with. auto: short ones where a GPU was built for them, or a CPU and the head is network, unless FALSE_PRECISION says float32. They are faster, and few pixels get another class. float32: long ones, with which all computers make the same map but for rounding. int8: a fast map on a CPU. The network of the model takes about a third of the time, and 1 to 3 % of the pixels get another class. The report says how many labelled pixels are right in int8 and in float32.</source>
        <translation type="vanished">Die Zahlen, mit denen das Netz rechnet. auto: kurze, wenn eine GPU dafür gebaut ist, oder eine CPU und der Kopf network ist, außer FALSE_PRECISION sagt float32. Sie sind schneller, und wenige Pixel bekommen eine andere Klasse. float32: lange, mit denen alle Rechner bis auf Rundung dieselbe Karte machen. int8: eine schnelle Karte auf einer CPU. Das Netz des Modells braucht etwa ein Drittel der Zeit, und 1 bis 3 % der Pixel bekommen eine andere Klasse. Der Bericht sagt, wie viele beschriftete Pixel in int8 und in float32 richtig sind.</translation>
    </message>
    <message>
        <source>The packages cannot be installed; the reason stands above. Behind a proxy or with an index of your own, pip and uv need to know of it, by their configuration files or variables. What was downloaded is kept: run this again to go on.</source>
        <translation type="vanished">Die Pakete lassen sich nicht installieren; der Grund steht oben. Hinter einem Proxy oder mit einem eigenen Index müssen pip und uv davon wissen, durch ihre Konfigurationsdateien oder Variablen. Was heruntergeladen ist, bleibt: führen Sie dies noch einmal aus, um weiterzumachen.</translation>
    </message>
    <message>
        <source>The raster the labels were digitised on.</source>
        <translation type="vanished">Das Raster, auf dem die Trainingsflächen digitalisiert wurden.</translation>
    </message>
    <message>
        <source>The rasters to learn from and to map. Use Add Directory to take a whole folder.</source>
        <translation type="vanished">Die Raster, von denen gelernt wird und die kartiert werden. Mit „Verzeichnis hinzufügen“ nehmen Sie einen ganzen Ordner.</translation>
    </message>
    <message>
        <source>This makes a land-cover map from a raster and a few labels. It learns from the raster without labels, trains a model with the labels, and classifies the raster. Style the label layer by categories of the class field, and the map takes names and colours from it.</source>
        <translation type="vanished">Dies macht aus einem Raster und wenigen Trainingsflächen eine Landbedeckungskarte. Es lernt aus dem Raster ohne Trainingsflächen, trainiert mit den Trainingsflächen ein Modell und klassifiziert das Raster. Stellen Sie den Layer der Trainingsflächen kategorisiert nach dem Klassenfeld dar; die Karte übernimmt dann Namen und Farben.</translation>
    </message>
    <message>
        <source>This makes a land-cover map of each of many rasters, from labels on one of them. It learns from all of them without labels, trains a model with the labels, and classifies them all. The rasters must come from the same sensor: same bands in the same order. Use Add Directory in the list of rasters to take a whole folder.</source>
        <translation type="vanished">Dies macht von jedem vieler Raster eine Landbedeckungskarte, aus Trainingsflächen auf einem von ihnen. Es lernt von allen ohne Trainingsflächen, trainiert mit den Trainingsflächen ein Modell und klassifiziert sie alle. Die Raster müssen vom selben Sensor stammen: gleiche Kanäle in gleicher Reihenfolge. Mit „Verzeichnis hinzufügen“ in der Liste der Raster nehmen Sie einen ganzen Ordner.</translation>
    </message>
    <message>
        <source>Truth</source>
        <translation type="vanished">Wahrheit</translation>
    </message>
    <message>
        <source>What looks at the raster: the general encoder alone, with one of your own, or a model.</source>
        <translation type="vanished">Was das Raster ansieht: der allgemeine Encoder allein, mit einem eigenen zusammen, oder ein Modell.</translation>
    </message>
    <message>
        <source>Whole numbers from 0 to 254 keep their codes on the map, also where they are kept as text. Anything else gets codes 1, 2, 3... in sorted order. Empty values are left out.</source>
        <translation type="vanished">Ganze Zahlen von 0 bis 254 behalten ihren Code auf der Karte, auch wenn sie als Text gespeichert sind. Alles andere bekommt die Codes 1, 2, 3... in sortierter Reihenfolge. Leere Werte werden ausgelassen.</translation>
    </message>
    <message>
        <source>Whole numbers from 1 to 254 keep their codes on the map. Text gets codes 1, 2, 3... in sorted order. Empty values are left out.</source>
        <translation type="vanished">Ganze Zahlen von 1 bis 254 behalten ihren Code auf der Karte. Text bekommt die Codes 1, 2, 3... in sortierter Reihenfolge. Leere Werte werden ausgelassen.</translation>
    </message>
    <message>
        <source>With gfcnet or rissnet: how far from a place its neighbourhood reaches on the ground. Empty: from the preset.</source>
        <translation type="vanished">Mit gfcnet oder rissnet: wie weit die Nachbarschaft eines Ortes am Boden reicht. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>With glcnet, grass, gfcnet or rissnet: find false negatives and count them as positives there too (FNSD and FNCC), with the similarity threshold and the confidence weight of FALSE. false always does so. Empty: from the preset.</source>
        <translation type="vanished">Mit glcnet, grass, gfcnet oder rissnet: auch dort falsche Negative finden und als positiv zählen (FNSD und FNCC), mit der Ähnlichkeitsschwelle und dem Konfidenzgewicht von FALSE. false tut das immer. Leer: aus der Voreinstellung.</translation>
    </message>
    <message>
        <source>a choice</source>
        <translation type="vanished">eine Auswahl</translation>
    </message>
    <message>
        <source>a field</source>
        <translation type="vanished">ein Feld</translation>
    </message>
    <message>
        <source>a file</source>
        <translation type="vanished">eine Datei</translation>
    </message>
    <message>
        <source>a file or a name</source>
        <translation type="vanished">eine Datei oder ein Name</translation>
    </message>
    <message>
        <source>a model file</source>
        <translation type="vanished">eine Modelldatei</translation>
    </message>
    <message>
        <source>a new HTML file</source>
        <translation type="vanished">eine neue HTML-Datei</translation>
    </message>
    <message>
        <source>a new file</source>
        <translation type="vanished">eine neue Datei</translation>
    </message>
    <message>
        <source>a new folder</source>
        <translation type="vanished">ein neuer Ordner</translation>
    </message>
    <message>
        <source>a new model file</source>
        <translation type="vanished">eine neue Modelldatei</translation>
    </message>
    <message>
        <source>a new raster</source>
        <translation type="vanished">ein neues Raster</translation>
    </message>
    <message>
        <source>a new table</source>
        <translation type="vanished">eine neue Tabelle</translation>
    </message>
    <message>
        <source>a new vector layer</source>
        <translation type="vanished">ein neuer Vektorlayer</translation>
    </message>
    <message>
        <source>a number</source>
        <translation type="vanished">eine Zahl</translation>
    </message>
    <message>
        <source>a number or a word</source>
        <translation type="vanished">eine Zahl oder ein Wort</translation>
    </message>
    <message>
        <source>a raster</source>
        <translation type="vanished">ein Raster</translation>
    </message>
    <message>
        <source>a text</source>
        <translation type="vanished">ein Text</translation>
    </message>
    <message>
        <source>a vector layer</source>
        <translation type="vanished">ein Vektorlayer</translation>
    </message>
    <message>
        <source>a whole number</source>
        <translation type="vanished">eine ganze Zahl</translation>
    </message>
    <message>
        <source>an extent</source>
        <translation type="vanished">eine Ausdehnung</translation>
    </message>
    <message>
        <source>auto: by the GPU and its driver. cuda: for NVIDIA GPUs. cpu: without, smaller. index: what the package index has for this system, where only that can be reached.</source>
        <translation type="vanished">auto: nach der GPU und ihrem Treiber. cuda: für NVIDIA-GPUs. cpu: ohne, kleiner. index: was der Paketindex für dieses System hat, wenn nur er erreichbar ist.</translation>
    </message>
    <message>
        <source>band numbers</source>
        <translation type="vanished">Kanalnummern</translation>
    </message>
    <message>
        <source>false is FALSE, the default. simclr, barlow_twins and pcl are what it is compared with. On the one scene that was measured maps from false were 0.002 to 0.011 mIoU better than those from simclr. glcnet, grass, gfcnet and rissnet are others by the same group. glcnet compares small windows and pretrains the decoder too; grass looks at the part of a patch that matters most; gfcnet does not push apart what is near and alike; rissnet pulls it together. moco takes negatives from earlier batches, for small batches. sticl does so too, and shows some patches in the colours of other places or dates, so that the encoder learns to see through light and season. last asks a student to say of any crop what its teacher says of the whole view, without negatives. inpainting, colourisation and jigsaw hide something of a view and ask for it; autoencoder is a control. random does not train the encoder at all, which shows what pretraining adds.</source>
        <translation type="vanished">false ist FALSE, die Vorgabe. simclr, barlow_twins und pcl sind die Methoden, mit denen es verglichen wird. Auf der einen Szene, die gemessen wurde, waren die Karten von false um 0,002 bis 0,011 mIoU besser als die von simclr. glcnet, grass, gfcnet und rissnet sind andere Methoden derselben Gruppe. glcnet vergleicht kleine Fenster und trainiert auch den Decoder vor; grass schaut auf den Teil eines Ausschnitts, auf den es am meisten ankommt; gfcnet schiebt nicht auseinander, was nah und ähnlich ist; rissnet zieht es zusammen. moco nimmt Negative aus früheren Batches, für kleine Batches. sticl tut das auch und zeigt manche Ausschnitte in den Farben anderer Orte oder Aufnahmetage, damit der Encoder lernt, durch Licht und Jahreszeit hindurchzusehen. last lässt einen Schüler von jedem Ausschnitt einer Ansicht sagen, was sein Lehrer von der ganzen sagt, ohne Negative. inpainting, colourisation und jigsaw verdecken etwas von einer Ansicht und fragen danach; autoencoder ist eine Kontrolle. random trainiert den Encoder gar nicht und zeigt so, was das Vortraining bringt.</translation>
    </message>
    <message>
        <source>false is FALSE, the default. simclr, barlow_twins and pcl are what it is compared with. On the one scene that was measured simclr did as well, by 0.01 better with all labels. random does not train the encoder at all, which shows what pretraining adds.</source>
        <translation type="vanished">false ist FALSE, die Vorgabe. simclr, barlow_twins und pcl sind die Methoden, mit denen es verglichen wird. Auf der einen Szene, die gemessen wurde, war simclr ebenso gut, mit allen Trainingsflächen um 0,01 besser. random trainiert den Encoder gar nicht und zeigt so, was das Vortraining bringt.</translation>
    </message>
    <message>
        <source>general: an encoder that others trained on photographs, which comes with the library. none: the encoder file alone. The head network starts from the encoder file or from nothing.</source>
        <translation type="vanished">general: ein Encoder, den andere mit Fotos trainiert haben und der der Bibliothek beiliegt. none: nur die Encoder-Datei. Der Kopf network beginnt mit der Encoder-Datei oder mit nichts.</translation>
    </message>
    <message>
        <source>general: an encoder that others trained on photographs. For the preset quick it comes with the library; for the others it is downloaded. none: random weights. An encoder file of the same backbone and number of bands; a file with timm weights of the backbone (.safetensors, .pth, .pt, .bin), of any number of bands; or a name of timm weights, such as imagenet or resnet50.a1_in1k, which are downloaded. With the method random they become an encoder as they are. Empty: general, but none with the preset paper.</source>
        <translation type="vanished">general: ein Encoder, den andere mit Fotos trainiert haben. Für die Voreinstellung Schnell (quick) liegt er der Bibliothek bei, für die anderen wird er heruntergeladen. none: zufällige Gewichte. Eine Encoder-Datei mit demselben Backbone und ebenso vielen Kanälen; eine Datei mit timm-Gewichten des Backbones (.safetensors, .pth, .pt, .bin) mit beliebig vielen Kanälen; oder ein Name von timm-Gewichten wie imagenet oder resnet50.a1_in1k, die heruntergeladen werden. Mit der Methode random werden sie unverändert zum Encoder. Leer: general, bei der Voreinstellung paper none.</translation>
    </message>
    <message>
        <source>one or more rasters</source>
        <translation type="vanished">ein oder mehrere Raster</translation>
    </message>
    <message>
        <source>yes or no</source>
        <translation type="vanished">ja oder nein</translation>
    </message>
    <message>
        <source>{name} becomes</source>
        <translation type="vanished">{name} wird zu</translation>
    </message>
    <message>
        <source>{number} labels are not in {file}, but in {path}. Copy them into the label layer. {reason}</source>
        <translation type="vanished">{number} Trainingsflächen sind nicht in {file}, sondern in {path}. Kopieren Sie sie in den Layer der Trainingsflächen. {reason}</translation>
    </message>
    <message>
        <source>{number} labels wait in {path} for a QGIS on the computer {host}. Where that QGIS was killed, take them up here. Where it still runs, it writes them itself.</source>
        <translation type="vanished">{number} Trainingsflächen warten in {path} auf ein QGIS auf dem Rechner {host}. Wurde dieses QGIS beendet, übernehmen Sie sie hier. Läuft es noch, schreibt es sie selbst.</translation>
    </message>
</context>
</TS>
